# amaranth: UnusedElaboratable=no
"""The host link's Verilog against the board in Python, and against the host's own software."""

import random
import time

import pytest

from nhot.contract.program import Region
from nhot.device import Link, SerialTransport
from nhot.device.protocol import Opcode, Request, State
from nhot_sim.benches.linked_memory import LinkedMemory
from nhot_sim.benches.tb_link import random_request
from nhot_sim.board_model import FaultyLine
from nhot_sim.runner import require, run_bench
from nhot_sim.virtual_board import VirtualBoard


@pytest.mark.parametrize(("divisor", "count"), [
    (4, 150), pytest.param(12, 400, marks=pytest.mark.slow),
])
def test_bench(tmp_path, divisor, count):
    run_bench(
        LinkedMemory(divisor=divisor), "nhot_sim.benches.tb_link", build_dir=tmp_path,
        simulator="verilator",
        parameters={"divisor": divisor, "seed": divisor, "count": count},
    )


class BadPort:
    """A serial port with faults in both directions."""

    def __init__(self, port: str, rate: float, seed: int):
        self._port = SerialTransport(port)
        self.name = port
        self.lines = [FaultyLine(rate=rate, seed=2 * seed + way) for way in (0, 1)]

    def read(self, timeout):
        """Nothing means silence: a line that holds a part of a frame back is waited for."""
        deadline = time.monotonic() + timeout
        while True:
            left = max(0, deadline - time.monotonic())
            data = self.lines[1].carry(self._port.read(left))
            if data or not left:
                return data

    def write(self, data):
        self._port.write(self.lines[0].carry(data))

    def clock(self):
        return time.monotonic()

    def close(self):
        self._port.close()


@pytest.mark.slow
def test_the_hosts_link_and_the_boards_agree_over_a_bad_line():
    """Thousands of requests, a tenth of the frames damaged: all is as if the line were good."""
    require("verilator")
    require("g++")
    source = random.Random("virtual")
    memory = bytearray(256)
    expected = []
    requests = []
    runs = 0
    for _ in range(3000):
        start, length = source.randrange(200), source.randrange(57)
        # Reads and writes overlap a request under way only in order: each waits for those before.
        if source.random() < 0.5:
            payload = source.randbytes(length)
            requests.append(Request(opcode=Opcode.WRITE, region=Region.ACTIVATIONS, address=start,
                                    length=length, payload=payload))
            memory[start : start + length] = payload
            expected.append(b"")
        else:
            requests.append(Request(opcode=Opcode.READ, region=Region.ACTIVATIONS, address=start,
                                    length=length))
            expected.append(bytes(memory[start : start + length]))
    with VirtualBoard.of(LinkedMemory(divisor=4), divisor=4) as board:
        port = BadPort(board.port, rate=0.1, seed=5)
        link = Link(port, timeout=0.02, tries=200)
        try:
            for request, answer in zip(requests, expected, strict=True):
                assert link.request(request).payload == answer
                if source.random() < 0.1:
                    link.request(Request(opcode=Opcode.RUN))
                    runs += 1
            state = State.from_bytes(link.request(Request(opcode=Opcode.STATUS)).payload)
        finally:
            port.close()
    assert state.runs == runs & 0xFF  # a byte counts them
    assert state.dropped > 100
    assert link.repeated > 300


def test_requests_are_numbered_and_now_and_then_twice():
    source = random.Random(3)
    behind = {
        number - Request.from_bytes(random_request(source, number)[:-1]).sequence & 0xFF
        for number in range(300)
    }
    assert behind == {0, 1}
