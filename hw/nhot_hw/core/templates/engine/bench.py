"""Bench of the core: a golden session, without pauses and with many, and damaged frames."""

import json
import random
from pathlib import Path
from typing import Any

import cocotb
import host
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

SESSION = list(
    json.loads(Path(__file__).with_name("session.json").read_text(encoding="utf-8")).values()
)
PATIENCE = 1_000_000  # cycles for a byte or for a run
SILENCE = 2_000  # cycles after which no answer is to come


class Link:
    """Bytes into the core and out of it, with pauses of this probability on both sides."""

    def __init__(self, dut: Any, *, pause: float):
        self.dut = dut
        self.pause = pause
        self.source = random.Random(1)

    async def start(self) -> None:
        """Start the clock and hold the reset over an edge of it."""
        self._offer_nothing()
        self.dut.o__ready.value = 0
        self.dut.rst.value = 1
        Clock(self.dut.clk, 10, "ns").start()
        for _ in range(2):
            await FallingEdge(self.dut.clk)
        self.dut.rst.value = 0

    async def send(self, frame: bytes) -> None:
        """Offer each byte until it is taken; the payload is garbage while there is none."""
        for byte in frame:
            await self._rest()
            self.dut.i__payload.value = byte
            self.dut.i__valid.value = 1
            await self._until(self.dut.i__ready)
            self._offer_nothing()

    async def receive(self) -> bytes:
        """Take bytes up to the zero that ends a frame."""
        frame = bytearray()
        while not frame or frame[-1]:
            await self._rest()
            self.dut.o__ready.value = 1
            frame.append(await self._until(self.dut.o__valid))
            self.dut.o__ready.value = 0
        return bytes(frame)

    async def finish(self) -> None:
        """Wait for the end of a run."""
        for _ in range(PATIENCE):
            await FallingEdge(self.dut.clk)
            if self.dut.busy.value == 0:
                return
        raise AssertionError(f"Run must end within {PATIENCE} cycles")

    async def silence(self) -> None:
        """See that no answer comes."""
        for _ in range(SILENCE):
            await FallingEdge(self.dut.clk)
            assert self.dut.o__valid.value == 0, "a damaged frame must have no answer"

    async def _until(self, signal: Any) -> int:
        """Let cycles pass, the last one with ``signal`` high; returns the byte that ``o`` had."""
        for _ in range(PATIENCE):
            await Timer(1, "ns")  # inputs have changed, outputs follow
            high = signal.value == 1
            payload = self.dut.o__payload.value
            await FallingEdge(self.dut.clk)
            if high:
                return payload.to_unsigned() if signal is self.dut.o__valid else 0
        raise AssertionError(f"{signal._name} must be high within {PATIENCE} cycles")

    async def _rest(self) -> None:
        while self.source.random() < self.pause:
            await FallingEdge(self.dut.clk)

    def _offer_nothing(self) -> None:
        self.dut.i__valid.value = 0
        self.dut.i__payload.value = self.source.getrandbits(8)


async def converse(link: Link, session: list[dict[str, Any]]) -> None:
    """Send each frame and compare its answer."""
    for number, one in enumerate(session):
        await link.send(bytes.fromhex(one["send"]))
        got, want = await link.receive(), bytes.fromhex(one["answer"])
        assert got == want, (
            f"Answer {number}, to {one['what']}, must be {host.answer(want)}, not {got.hex(' ')}"
        )
        if one["runs"]:
            await link.finish()


@cocotb.test()
async def golden_session(dut: Any) -> None:
    """Load a network, run it on two inputs, and read the answers of nhot's reference."""
    link = Link(dut, pause=0.0)
    await link.start()
    await converse(link, SESSION)


@cocotb.test()
async def pauses(dut: Any) -> None:
    """The same, with pauses between the bytes of both directions."""
    link = Link(dut, pause=0.3)
    await link.start()
    await converse(link, SESSION)


@cocotb.test()
async def damaged_frames(dut: Any) -> None:
    """A frame with one bit wrong, or torn, has no answer and leaves the next one alone."""
    link = Link(dut, pause=0.0)
    await link.start()
    good = host.request(host.HELLO, 1)
    for at in (0, len(good) // 2, len(good) - 2):
        wrong = bytearray(good)
        wrong[at] ^= 0x40
        await link.send(bytes(wrong))
        await link.silence()
    await link.send(good[:4] + b"\0")
    await link.silence()
    await link.send(good)
    opcode, sequence, status, _ = host.answer(await link.receive())
    assert (opcode, sequence, status) == (host.HELLO, 1, 0)
