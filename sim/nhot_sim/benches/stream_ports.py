"""Drive and check ready/valid streams in cocotb: ports NAME__payload, NAME__valid, NAME__ready.

The rules are those of :mod:`nhot_sim.streams`.
"""

import itertools
import random
from collections.abc import Iterable
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, Timer

from nhot_sim.streams import PATIENCE, check_stability

__all__ = ["StreamMonitor", "StreamSink", "StreamSource", "start"]

# Inputs change just after a rising edge and everything is read at the falling edge: at the rising
# edge itself Icarus still shows the registers of the cycle before, Verilator those of the next.

async def start(
    dut: Any, *, period: float = 10, unit: str = "ns", reset: bool = True
) -> None:
    """Start ``dut.clk`` and hold ``dut.rst`` for two cycles; returns just after a rising edge.

    Without ``reset`` it stays low: an FPGA starts with the initial values of its registers.
    """
    dut.rst.value = int(reset)
    await Timer(period, unit=unit)  # all inputs are driven before the first edge
    Clock(dut.clk, period, unit=unit).start()
    for _ in range(3):
        await RisingEdge(dut.clk)
    dut.rst.value = 0


class _Port:
    """The three signals of a flattened stream, and its own random source."""

    def __init__(self, dut: Any, name: str, *, pause: float = 0.0, seed: int = 0):
        self.name = name
        self.pause = pause
        self.random = random.Random(f"{name} {seed}")
        self.clock = dut.clk
        self.payload = getattr(dut, f"{name}__payload", None)  # absent if it has no bits
        self.valid = getattr(dut, f"{name}__valid")
        self.ready = getattr(dut, f"{name}__ready", None)  # absent if always ready
        self._rising, self._falling = RisingEdge(self.clock), FallingEdge(self.clock)

    async def align(self) -> None:
        """Return in the first half of a cycle, which is where inputs may change."""
        if self.clock.value == 0:
            await self._rising

    async def cycle(self) -> tuple[bool, bool]:
        """Let a cycle pass. Returns its ``valid`` and ``ready``; :attr:`bits` has its payload."""
        await self._falling
        valid = self.valid.value == 1
        ready = self.ready is None or self.ready.value == 1
        self.bits = self.payload.value.to_unsigned() if valid and self.payload is not None else 0
        await self._rising
        return valid, ready


class StreamSource(_Port):
    """Drives a stream that goes into the design.

    Parameters
    ----------
    dut : cocotb handle
        Has the ports ``NAME__payload``, ``NAME__valid``, ``NAME__ready``, and ``clk``.
    pause : float
        Probability of a cycle without ``valid``; may be changed at any time.
    seed : int
        Of pauses and garbage.
    """

    def __init__(self, dut: Any, name: str, *, pause: float = 0.0, seed: int = 0):
        super().__init__(dut, name, pause=pause, seed=seed)
        self._idle()

    async def put(self, payload: int) -> None:
        """Offer ``payload`` (its bits as an unsigned integer, or a negative one) until taken."""
        await self.align()
        while self.random.random() < self.pause:
            self._idle()
            await self.cycle()
        if self.payload is not None:
            self.payload.value = payload & ((1 << len(self.payload)) - 1)
        self.valid.value = 1
        for _ in range(PATIENCE):
            _, ready = await self.cycle()
            if ready:
                self._idle()
                return
        raise AssertionError(f"{self.name} must take a payload within {PATIENCE} cycles")

    async def put_all(self, payloads: Iterable[int]) -> None:
        """Offer ``payloads`` in order."""
        for payload in payloads:
            await self.put(payload)

    def _idle(self) -> None:
        self.valid.value = 0
        if self.payload is not None:
            self.payload.value = self.random.getrandbits(len(self.payload))


class StreamSink(_Port):
    """Takes a stream that comes out of the design; parameters as :class:`StreamSource`."""

    def __init__(self, dut: Any, name: str, *, pause: float = 0.0, seed: int = 0):
        super().__init__(dut, name, pause=pause, seed=seed)
        self.ready.value = 0

    async def get(self) -> int:
        """Take one payload: its bits as an unsigned integer."""
        await self.align()
        for _ in range(PATIENCE):
            taking = self.random.random() >= self.pause
            self.ready.value = int(taking)
            valid, _ = await self.cycle()
            if taking and valid:
                self.ready.value = 0
                return self.bits
        raise AssertionError(f"{self.name} must give a payload within {PATIENCE} cycles")

    async def get_all(self, count: int) -> list[int]:
        """Take ``count`` payloads."""
        return [await self.get() for _ in range(count)]


class StreamMonitor(_Port):
    """Watches a stream in the background from its making to the test's end.

    It asserts that a payload that is offered stays until it is taken, and collects what was taken
    in ``transfers``, with the cycle of each (counted from the making) in ``cycles``.
    """

    def __init__(self, dut: Any, name: str):
        super().__init__(dut, name)
        self.transfers: list[int] = []
        self.cycles: list[int] = []
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        offered = None
        for cycle in itertools.count():
            valid, ready = await self.cycle()
            check_stability(self.name, offered, valid, self.bits)
            offered = None
            if valid and ready:
                self.transfers.append(self.bits)
                self.cycles.append(cycle)
            elif valid:
                offered = self.bits
