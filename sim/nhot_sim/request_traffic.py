"""An engine behind a request server, in Amaranth's simulator, and requests to it."""

from __future__ import annotations

import random

from nhot.contract.program import Region
from nhot.device.protocol import Fault, Opcode, Request
from nhot_hw.io import RequestServer
from nhot_sim.board_model import PlainMemory, Run
from nhot_sim.streams import simulate

__all__ = [
    "ask", "CYCLES", "Engine", "finish", "random_requests", "read", "serve", "STALLS", "TARGET",
    "WORDS", "write",
]

TARGET = 0x89ABCDEF
CYCLES, STALLS = 0x01020304, 0x00F0E0D0
WORDS = 64


def finish(limit: int) -> Run:
    """A run that ends in a fault where its limit is odd."""
    fault = Fault.CYCLES if limit & 1 else Fault.NONE
    return Run(cycles=CYCLES, stalls=STALLS, fault=fault, layer=limit)


class Engine:
    """The engine's side of a server: a memory, and runs of a few cycles."""

    def __init__(self, dut, *, seed: int = 0, busy_cycles: int = 5, stall: float = 0.2):
        self.dut = dut
        self.memory = PlainMemory(WORDS)
        self.busy_cycles = busy_cycles
        self.starts = self.resets = 0
        self.random = random.Random(f"engine {seed}")
        self.stall = stall

    async def pulses(self, ctx):
        dut, left = self.dut, 0
        ctx.set(dut.engine.cycles, CYCLES)
        ctx.set(dut.engine.stalls, STALLS)
        while True:
            _, _, start, reset, limit = await ctx.tick().sample(
                dut.engine.start, dut.engine.reset, dut.engine.limit
            )
            self.starts += start
            if start:
                last = finish(limit)
                ctx.set(dut.engine.fault, last.fault)
                ctx.set(dut.engine.layers, last.layer)
            self.resets += reset
            left = 0 if reset else self.busy_cycles if start else max(left - 1, 0)
            ctx.set(dut.engine.busy, left > 0)

    async def accesses(self, ctx):
        dut = self.dut
        while True:
            ctx.set(dut.engine.access.ready, 1)
            valid = False
            while not valid:
                _, _, valid, access = await ctx.tick().sample(
                    dut.engine.access.valid, dut.engine.access.payload
                )
            ctx.set(dut.engine.access.ready, 0)
            if access.write:
                data = [await self._take(ctx) for _ in range(access.length)]
                self.memory.write(access.region, access.address, bytes(data))
            else:
                for byte in self.memory.read(access.region, access.address, access.length):
                    await self._give(ctx, byte)

    async def _take(self, ctx):
        valid = ready = False
        while not (valid and ready):
            ready = self.random.random() >= self.stall
            ctx.set(self.dut.engine.write.ready, ready)
            _, _, valid, byte = await ctx.tick().sample(
                self.dut.engine.write.valid, self.dut.engine.write.payload
            )
        ctx.set(self.dut.engine.write.ready, 0)
        return byte

    async def _give(self, ctx, byte):
        while self.random.random() < self.stall:
            ctx.set(self.dut.engine.read.payload, self.random.getrandbits(8))
            await ctx.tick()
        ctx.set(self.dut.engine.read.payload, byte)
        ctx.set(self.dut.engine.read.valid, 1)
        ready = False
        while not ready:
            _, _, ready = await ctx.tick().sample(self.dut.engine.read.ready)
        ctx.set(self.dut.engine.read.valid, 0)


def serve(wire: bytes, answers: int, **options) -> tuple[list[bytes], Engine]:
    """Feed ``wire`` to a server as fast as it takes it; its answers, of which there must be
    ``answers`` and no more, and its engine."""
    dut = RequestServer(target_id=TARGET)
    engine = Engine(dut, **options)
    received = bytearray()

    async def host(ctx):
        position, seen, quiet = 0, 0, 0
        ctx.set(dut.o.ready, 1)
        while quiet < 400:
            offered = position < len(wire)
            ctx.set(dut.i.valid, offered)
            ctx.set(dut.i.payload, wire[position] if offered else 0xA5)
            _, _, ready, valid, byte = await ctx.tick().sample(
                dut.i.ready, dut.o.valid, dut.o.payload
            )
            position += offered and ready
            if valid:
                received.append(byte)
                seen += byte == 0
            quiet = quiet + 1 if seen >= answers and position == len(wire) else 0

    simulate(dut, host, background=[engine.pulses, engine.accesses], patience=1_000_000)
    return bytes(received).split(b"\0")[:-1], engine


def write(sequence: int, address: int, payload: bytes, region: int = Region.ACTIVATIONS) -> bytes:
    """The frame of a WRITE."""
    return Request(
        opcode=Opcode.WRITE, sequence=sequence, region=region, address=address,
        length=len(payload), payload=payload,
    ).to_bytes()


def read(sequence: int, address: int, length: int, region: int = Region.ACTIVATIONS) -> bytes:
    """The frame of a READ."""
    return Request(
        opcode=Opcode.READ, sequence=sequence, region=region, address=address, length=length,
    ).to_bytes()


def ask(opcode: Opcode, sequence: int) -> bytes:
    """The frame of a request without anything else."""
    return Request(opcode=opcode, sequence=sequence).to_bytes()


def random_requests(source: random.Random, count: int) -> bytes:
    """Short requests of all kinds."""
    wire = b""
    for sequence in range(count):
        kind = source.choice(list(Opcode) + [Opcode.WRITE] * 6 + [Opcode.READ] * 2)
        region, address = source.randrange(5), source.randrange(WORDS + 2)
        if kind == Opcode.WRITE:
            payload = bytes(source.choice([0, 0, 255, source.getrandbits(8)])
                            for _ in range(source.randrange(14)))
            wire += write(sequence & 0xFF, address, payload, region)
        elif kind == Opcode.READ:
            wire += read(sequence & 0xFF, address, source.randrange(10), region)
        else:
            wire += ask(kind, sequence & 0xFF)
    return wire
