"""Bench of the host link on its Verilog: bits in, bits out, compared with the board in Python."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

from nhot.contract.program import Region
from nhot.device.protocol import BUFFER_BYTES, MAX_PAYLOAD, Opcode, Request, Response, State
from nhot_sim.benches.linked_memory import LinkedMemory
from nhot_sim.board_model import FaultyLine
from nhot_sim.runner import bench_parameters

PERIOD = 10  # ns
SOUND = b"\0"  # ends whatever a bad line left unfinished
ALPHABETS = (bytes(range(256)), b"\0\1\2\xff", bytes(range(1, 256)))
"""Bytes of garbage: any, those of short frames and long codes, and no end of a frame."""


class Bench:
    """Clock and reset, and a serial port at the end of each line."""

    period = PERIOD

    def __init__(self, dut: Any):
        self.dut = dut
        parameters = bench_parameters()
        self.bit = parameters["divisor"] * self.period
        self.random = random.Random(parameters["seed"])
        self.count = parameters["count"]
        self.received = bytearray()

    async def start(self) -> None:
        dut = self.dut
        dut.rx.value = 1
        dut.rst.value = 1
        Clock(dut.clk, self.period, unit="ns").start()
        await Timer(5 * self.period, unit="ns")
        dut.rst.value = 0
        await Timer(20 * self.period, unit="ns")
        cocotb.start_soon(self._receive())

    async def send(self, data: bytes) -> None:
        """All of ``data`` back to back."""
        bit = Timer(self.bit, unit="ns")
        for byte in data:
            for level in (0, *(byte >> i & 1 for i in range(8)), 1):
                self.dut.rx.value = level
                await bit

    async def _receive(self) -> None:
        middle, bit = Timer(self.bit * 3 // 2, unit="ns"), Timer(self.bit, unit="ns")
        while True:
            await FallingEdge(self.dut.tx)
            await middle
            byte = 0
            for i in range(8):
                byte |= int(self.dut.tx.value) << i
                await bit
            assert self.dut.tx.value == 1, "a byte must have its stop bit"
            self.received.append(byte)

    async def quiet(self) -> bytes:
        """Wait until nothing comes for 40 bytes' time; what has come."""
        seen = -1
        while seen != len(self.received):
            seen = len(self.received)
            await Timer(400 * self.bit, unit="ns")
        answers = bytes(self.received)
        self.received.clear()
        return answers


def random_request(source: random.Random, sequence: int) -> bytes:
    """Any request, and no answer longer than it; now and then a sequence number again."""
    opcode = source.choice([*Opcode, *[Opcode.WRITE] * 6, *[Opcode.READ] * 3])
    length = source.choice([0, 1, 4, source.randrange(10)])
    payload = b""
    if opcode == Opcode.WRITE:
        length = source.choice([length, source.randrange(60)])
        payload = bytes(source.choice([0, 255, source.getrandbits(8)]) for _ in range(length))
    number = sequence - source.choice([0, 0, 0, 1])
    return Request(
        opcode=opcode, sequence=number & 0xFF, region=source.choice(list(Region)),
        address=source.randrange(300), length=length, payload=payload,
    ).to_bytes()


def responses(answers: bytes) -> list[Response]:
    return [Response.from_bytes(frame) for frame in answers.removesuffix(SOUND).split(SOUND)]


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def answers_and_memory_are_the_models(dut):
    """Hundreds of frames back to back, many of them damaged: each answer is as the model's."""
    bench = Bench(dut)
    await bench.start()
    model = LinkedMemory.model()
    for rate in (0.0, 0.5, 0.9):
        line = FaultyLine(rate=rate, seed=bench.random.getrandbits(32))
        requests = b"".join(
            random_request(bench.random, number) for number in range(bench.count)
        )
        wire = line.carry(requests) + SOUND
        await bench.send(wire)
        expected = model.answer(wire)
        assert await bench.quiet() == expected
        dut._log.info("%d faults, %d answers", line.faults, expected.count(SOUND))
    for region in Region:
        await bench.send(Request(opcode=Opcode.READ, region=region, length=MAX_PAYLOAD).to_bytes())
        (response,) = responses(await bench.quiet())
        assert response.payload == bytes(model.memory.data[region])


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def an_overflow_loses_frames_and_nothing_else(dut):
    """Reads are asked for faster than they can be answered: some are lost, the link is not."""
    bench = Bench(dut)
    await bench.start()
    content = bench.random.randbytes(MAX_PAYLOAD)
    await bench.send(Request(
        opcode=Opcode.WRITE, region=3, length=MAX_PAYLOAD, payload=content
    ).to_bytes())
    await bench.quiet()
    reads = [
        Request(opcode=Opcode.READ, sequence=i, region=3, address=i, length=200 - i)
        for i in range(50)
    ]
    await bench.send(b"".join(read.to_bytes() for read in reads))
    answers = responses(await bench.quiet())
    numbers = [answer.sequence for answer in answers]
    assert 10 < len(numbers) < 45
    assert numbers == sorted(set(numbers))
    for answer in answers:
        assert answer.payload == content[answer.sequence : 200]
    await bench.send(SOUND + Request(opcode=Opcode.STATUS).to_bytes())
    (last,) = responses(await bench.quiet())
    assert State.from_bytes(last.payload).dropped > 0


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def garbage_does_not_wedge_it(dut):
    """Random bytes with and without delimiters, endless frames, breaks of the line."""
    bench = Bench(dut)
    await bench.start()
    model = LinkedMemory.model()
    for sequence, alphabet in enumerate(ALPHABETS):
        wire = bytes(bench.random.choices(alphabet, k=2 * BUFFER_BYTES)) + SOUND
        await bench.send(wire)
        assert model.answer(wire) == b""
        dut.rx.value = 0
        await Timer(25 * bench.bit, unit="ns")
        dut.rx.value = 1
        await Timer(2 * bench.bit, unit="ns")
        request = Request(opcode=Opcode.STATUS, sequence=sequence).to_bytes()
        await bench.send(SOUND + request)
        assert await bench.quiet() == model.answer(request)
