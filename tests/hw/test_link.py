# amaranth: UnusedElaboratable=no
"""The host link against the board in Python: same bytes in, same answers and memory out."""

from __future__ import annotations

import random

import pytest

from nhot.contract.program import Region
from nhot.device import cobs
from nhot.device.protocol import MAX_PAYLOAD, Fault, Opcode, Request, Response, State, Status, seal
from nhot.errors import NhotError
from nhot_hw.io import HostLink, RequestServer
from nhot_sim.board_model import BoardModel, FaultyLine, PlainMemory
from nhot_sim.request_traffic import (
    CYCLES,
    STALLS,
    TARGET,
    WORDS,
    Engine,
    ask,
    finish,
    random_requests,
    read,
    serve,
    write,
)
from nhot_sim.streams import simulate

DIVISOR = 4


def model() -> BoardModel:
    return BoardModel(
        target_id=TARGET, memory=PlainMemory(WORDS), on_run=finish
    )


def check(wire: bytes, **options) -> tuple[list[Response], Engine]:
    """The server must answer ``wire`` as the model does, and leave the same memory."""
    board = model()
    board.last = finish(0)
    starts = 0

    def begin(limit):
        nonlocal starts
        starts += 1
        return finish(limit)

    board.on_run = begin
    expected = board.answer(wire).split(b"\0")[:-1]
    got, engine = serve(wire, len(expected), **options)
    assert got == expected
    assert engine.memory.data == board.memory.data
    assert engine.starts == starts
    return [Response.from_bytes(frame) for frame in got], engine


def test_every_request_is_answered():
    source = random.Random(1)
    block = source.randbytes(MAX_PAYLOAD)
    wire = b"".join([
        ask(Opcode.HELLO, 1), ask(Opcode.STATUS, 2), write(3, 5, b"\0ab\0"), read(4, 4, 12),
        write(5, 0, block), read(6, 0, MAX_PAYLOAD), write(7, 9, b""), read(8, 9, 0),
        write(9, 1, bytes(8), Region.PROGRAM), write(10, 2, b"\1\2\3\4\5\6", Region.WEIGHTS),
        read(11, 2, 8, Region.WEIGHTS), ask(Opcode.RUN, 12), ask(Opcode.RESET, 13),
        ask(Opcode.STATUS, 255),
    ])
    responses, engine = check(wire)
    assert [response.status for response in responses] == [Status.OK] * 14
    assert responses[0].payload.hex() == "02efcdab890001"
    assert responses[5].payload == block
    assert engine.resets == 1
    assert State.from_bytes(responses[13].payload) == State(
        busy=False, runs=1, cycles=CYCLES, stalls=STALLS, dropped=0
    )


def test_a_frame_of_one_long_run():
    check(write(1, 0, bytes([255] * MAX_PAYLOAD)) + read(2, 3, MAX_PAYLOAD - 12))


def test_a_repeated_run_starts_once():
    """A host that missed the answer asks again; HELLO and RESET make the board forget."""
    wire = b"".join([
        ask(Opcode.RUN, 7), ask(Opcode.RUN, 7), ask(Opcode.RUN, 8), ask(Opcode.STATUS, 9),
        ask(Opcode.RUN, 8), ask(Opcode.HELLO, 10), ask(Opcode.RUN, 8), ask(Opcode.RESET, 11),
        ask(Opcode.RUN, 8), ask(Opcode.STATUS, 12),
    ])
    responses, engine = check(wire)
    assert engine.starts == 4
    assert State.from_bytes(responses[-1].payload).runs == 4


@pytest.mark.parametrize("limit", [1, 2, 0x8001, 0xFFFE])
def test_a_run_has_its_limit_and_says_how_it_ended(limit):
    """All 16 bits arrive; a run that ended in a fault does not count."""
    run = Request(opcode=Opcode.RUN, sequence=1, address=limit).to_bytes()
    responses, _ = check(run + ask(Opcode.STATUS, 2) + ask(Opcode.STATUS, 3))
    state = State.from_bytes(responses[-1].payload)
    assert (state.fault, state.layer, state.runs) == (
        (Fault.CYCLES, limit, 0) if limit & 1 else (Fault.NONE, limit, 1)
    )


def test_a_busy_board_refuses_its_memories():
    """Whatever needs them is BUSY during a run, a repeat of the RUN is not; RESET breaks it off."""
    wire = b"".join([
        write(1, 0, b"abcd"), ask(Opcode.RUN, 2), write(3, 0, b"efgh"), read(4, 0, 4),
        ask(Opcode.RUN, 2), ask(Opcode.RUN, 5), ask(Opcode.STATUS, 6), ask(Opcode.RESET, 7),
        read(8, 0, 4), ask(Opcode.STATUS, 9),
    ])
    frames, engine = serve(wire, 10, busy_cycles=10**6)
    responses = [Response.from_bytes(frame) for frame in frames]
    busy = Status.BUSY
    assert [response.status for response in responses] == [0, 0, busy, busy, 0, busy, 0, 0, 0, 0]
    assert State.from_bytes(responses[6].payload).busy
    assert responses[8].payload == b"abcd"
    last = State.from_bytes(responses[9].payload)
    assert not last.busy
    assert last.runs == 0  # it was broken off
    assert (engine.starts, engine.resets) == (1, 1)


@pytest.mark.parametrize("body", [
    bytes([9, 1, 0, 0, 0, 0, 0]),  # no such opcode
    bytes([0, 1, 0, 0, 0, 0, 0]),
    bytes([3, 1, 5, 0, 0, 4, 0]),  # no such region
    bytes([3, 1, 0x13, 0, 0, 4, 0]),
    bytes([3, 1, 3, 0, 0, 1, 1]),  # too long a read
    bytes([3, 1, 3, 0, 0, 4, 2]),
    bytes([3, 1, 3, 0, 0, 4, 0x80]),
    bytes([2, 1, 3, 0, 0, 4, 0]) + b"abc",  # a payload of another length
    bytes([2, 1, 3, 0, 0, 4, 0]) + b"abcde",
    bytes([2, 1, 3, 0, 0, 4, 2]) + b"abcd",
    bytes([4, 1, 3, 0, 0, 0, 0]) + b"a",  # a payload where there is none
])
def test_bad_requests_are_refused(body):
    frames, engine = serve(seal(body) + read(2, 0, 4), 2)
    refused, good = (cobs.decode(frame) for frame in frames)
    assert refused[:3] == bytes([body[0] | 0x80, 1, Status.BAD_REQUEST])
    assert good[2:7] == bytes(5)
    assert engine.memory.data == PlainMemory(WORDS).data
    assert engine.starts == 0


def test_noise_is_dropped_and_counted():
    """Half frames, endless ones, ones with a wrong checksum, garbage: then all is as before."""
    good = write(1, 3, b"good")
    overlong = seal(bytes([2, 1, 3, 0, 0, 1, 1]) + bytes(range(1, 256)) + b"ab")
    wire = b"".join([
        b"\0\0\5\0", good[:9] + b"\0", good[5:], good[:-3] + b"\1\0",
        overlong, bytes([7] * 560) + b"\0", seal(b"")[:-1] + b"\0", seal(bytes(6)),
        good[:4] + good, good, read(2, 3, 4), ask(Opcode.STATUS, 3),
    ])
    responses, _ = check(wire)
    assert responses[-2].payload == b"good"
    assert State.from_bytes(responses[-1].payload).dropped == 8


def test_a_faulty_line():
    """Frames dropped, repeated, flipped, swapped, cut and with garbage in between."""
    line = FaultyLine(rate=0.5, seed=1)
    wire = line.carry(random_requests(random.Random("faults"), 60)) + b"\0"
    assert line.faults > 20
    responses, _ = check(wire + ask(Opcode.STATUS, 77))
    assert State.from_bytes(responses[-1].payload).dropped > 5


def levels(data: bytes) -> list[int]:
    return [bit for byte in data for bit in (0, *(byte >> i & 1 for i in range(8)), 1)]


def talk(wire: bytes, answers: int) -> tuple[list[bytes], Engine]:
    """The same through serial lines, back to back."""
    dut = HostLink(clock_hz=DIVISOR * 1_000_000, baud=1_000_000, target_id=TARGET)
    engine = Engine(dut, stall=0.0)
    received = bytearray()

    async def send(ctx):
        for byte in wire:
            for level in levels(bytes([byte])):
                ctx.set(dut.rx, level)
                for _ in range(DIVISOR):
                    await ctx.tick()

    async def receive(ctx):
        while received.count(0) < answers:
            level = 1
            while level:
                _, _, level = await ctx.tick().sample(dut.tx)
            bits = []
            for wait in [DIVISOR + DIVISOR // 2, *[DIVISOR] * 8]:
                for _ in range(wait):
                    _, _, level = await ctx.tick().sample(dut.tx)
                bits.append(level)
            assert bits[8] == 1
            received.append(sum(bit << i for i, bit in enumerate(bits[:8])))

    simulate(dut, send, receive, background=[engine.pulses, engine.accesses], patience=300_000)
    return bytes(received).split(b"\0")[:-1], engine


def test_serial_lines_in_both_directions():
    wire = random_requests(random.Random("serial"), 10)
    board = model()
    board.last = finish(0)
    starts = 0

    def begin(limit):
        nonlocal starts
        starts += 1
        return finish(limit)

    board.on_run = begin
    expected = board.answer(wire).split(b"\0")[:-1]
    got, engine = talk(wire, len(expected))
    assert got == expected
    assert engine.memory.data == board.memory.data


def test_arguments_are_checked():
    with pytest.raises(NhotError, match="Target id must have 32 bits, not 4294967296"):
        RequestServer(target_id=2**32)
    with pytest.raises(NhotError, match="Baud rate must divide the clock"):
        HostLink(clock_hz=1_000_000, baud=1_000_000, target_id=0)
