"""The link to a board: what is slow, silent, noisy or refuses, and the order of the answers."""

from __future__ import annotations

import random

import pytest

from nhot.contract.program import Region
from nhot.device import Board, Link, LoopbackTransport
from nhot.device.protocol import BUFFER_BYTES, Opcode, Request, Response, Status
from nhot.errors import DeviceError
from nhot_sim.board_model import BoardModel, FaultyLine, PlainMemory, loopback


@pytest.mark.parametrize("silences", [0, 1])
def test_an_answer_in_pieces_is_waited_for(silences):
    """Within the timeout, also once more: nothing is asked again while a frame is on its way."""
    model = BoardModel(target_id=1, memory=PlainMemory())
    answer, silent = bytearray(), iter([True] * silences)

    class Slow(LoopbackTransport):
        def write(self, data):
            answer.extend(model.answer(data))

        def read(self, timeout):
            if next(silent, False):
                return b""
            piece = bytes(answer[:1])
            del answer[:1]
            return piece

    link = Link(Slow(model.answer), timeout=60)
    requests = [Request(opcode=Opcode.HELLO), Request(opcode=Opcode.STATUS)]
    for request in requests:
        link.request(request)
    list(link.pipeline(requests))
    assert link.repeated == silences


def test_no_more_is_sent_than_the_board_can_hold():
    """A board that starts to work only when asked for an answer: all it has not answered waits."""
    model = BoardModel(target_id=1, memory=PlainMemory())
    source = random.Random(4)
    queue = bytearray()
    longest = 0

    class Lazy(LoopbackTransport):
        def write(self, data):
            nonlocal longest
            queue.extend(data)
            longest = max(longest, len(queue))

        def read(self, timeout):
            answer = b""
            while queue and not answer:
                end = queue.index(0) + 1
                answer = model.answer(bytes(queue[:end]))
                del queue[:end]
            return answer

    link = Link(Lazy(model.answer))
    read = Request(opcode=Opcode.READ, region=3, length=1)
    requests = [
        request
        for size in (*source.choices(range(257), k=200), 256, 256, *[0] * 200)
        for request in (read, Request(opcode=Opcode.WRITE, region=3, length=size,
                                      payload=bytes([255] * size)))
    ]
    assert len(list(link.pipeline(requests))) == len(requests)
    assert link.repeated == 0
    assert BUFFER_BYTES - 30 < longest < BUFFER_BYTES  # a delimiter before a repeat must fit too


def test_another_version_is_refused():
    def answer(data):
        request = Request.from_bytes(data.strip(b"\0"))
        hello = bytes([1, 0, 0, 0, 0, 0, 1])
        return Response(
            opcode=request.opcode, sequence=request.sequence, payload=hello
        ).to_bytes()

    closed = []
    line = LoopbackTransport(lambda data: answer(data) if len(data) > 1 else b"")
    line.close = lambda: closed.append(True)
    with pytest.raises(DeviceError, match="must speak version 2 of the protocol, not 1"):
        Board(line)
    assert closed == [True]


@pytest.mark.parametrize("noise", [b"", b"\0", b"hello\r\n", bytes(2000), b"a" * 5000],
                         ids=["silence", "zeros", "text", "many-zeros", "endless"])
def test_a_port_without_a_board(noise):
    """It may be silent or chatter: an error of one line, and no wait without end."""
    line = LoopbackTransport(lambda _: noise, name="COM9")
    with pytest.raises(
        DeviceError, match=r"^Board on COM9 must answer HELLO, but did not in 5 tries of 0.01 s$"
    ):
        Board(line, timeout=0.01)


def test_endless_chatter_ends_in_an_error():
    class Chatter(LoopbackTransport):
        def read(self, timeout):
            return b"\3ab\0"

    with pytest.raises(DeviceError, match="must answer HELLO"):
        Board(Chatter(lambda _: b""), timeout=0.01)


def test_refused_requests_are_errors():
    model = BoardModel(target_id=1, memory=PlainMemory())
    link = Link(loopback(model))
    model._obey = lambda body: (Status.BAD_REQUEST, b"")
    with pytest.raises(DeviceError, match="must know READ of region 3 with 4 bytes, but refuses"):
        link.request(Request(opcode=Opcode.READ, region=3, length=4))


def test_answers_come_in_the_order_of_the_requests():
    model = BoardModel(target_id=1, memory=PlainMemory())
    source = random.Random(3)
    content = source.randbytes(1024)
    model.memory.data[Region.ACTIVATIONS][:] = content
    lines = [FaultyLine(rate=0.3, seed=way, kinds="dts") for way in (8, 9)]
    link = Link(loopback(model, *lines), tries=50)
    requests = [
        Request(opcode=Opcode.READ, region=Region.ACTIVATIONS, address=source.randrange(200),
                length=source.randrange(100))
        for _ in range(600)
    ]
    answers = [answer.payload for answer in link.pipeline(requests)]
    assert answers == [
        content[4 * request.address : 4 * request.address + request.length]
        for request in requests
    ]


@pytest.mark.parametrize("before", [0, 253])  # runs are the numbers 1, 2, 3, or 254, 255, 0
def test_a_run_never_repeats_the_number_of_the_last(before):
    model = BoardModel(target_id=1, memory=PlainMemory())
    link = Link(loopback(model))
    for _ in link.pipeline([Request(opcode=Opcode.STATUS)] * before):
        pass
    for count in range(1, 4):
        link.request(Request(opcode=Opcode.RUN))
        assert model.runs == count
        for _ in link.pipeline([Request(opcode=Opcode.STATUS)] * 255):
            pass
