"""Drive and check ready/valid streams, in Amaranth's simulator and in cocotb.

A stream's four rules are what these helpers stress: the payload is random garbage while ``valid``
is low, both sides pause at random, ``valid`` never waits for ``ready``, and a payload offered stays
until it is taken. All randomness is seeded.

Amaranth: :func:`put`, :func:`get`, :func:`put_all`, :func:`get_all`, :func:`monitor`,
:func:`simulate`. cocotb: :class:`StreamSource`, :class:`StreamSink`, :class:`StreamMonitor` on
flattened ports ``NAME__payload``, ``NAME__valid``, ``NAME__ready``, and :func:`start`.
"""

import itertools
import random
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

__all__ = [
    "StreamMonitor", "StreamSink", "StreamSource",
    "get", "get_all", "monitor", "put", "put_all", "simulate", "start",
]

PATIENCE = 100_000
"""Cycles after which waiting for the other side of a stream is an error."""


# Amaranth --------------------------------------------------------------------------------------

# Plain ticks only: Amaranth's ``until`` and ``repeat`` complain when a run ends in their midst,
# which hides the assertion that ended it.

async def put(ctx: Any, stream: Any, payload: Any) -> None:
    """Offer ``payload`` until it is taken."""
    ctx.set(stream.payload, payload)
    ctx.set(stream.valid, 1)
    taken = False
    while not taken:
        _, _, taken = await ctx.tick().sample(stream.ready)
    ctx.set(stream.valid, 0)


async def get(ctx: Any, stream: Any) -> Any:
    """Take one payload."""
    ctx.set(stream.ready, 1)
    valid = False
    while not valid:
        _, _, valid, payload = await ctx.tick().sample(stream.valid, stream.payload)
    ctx.set(stream.ready, 0)
    return payload


async def put_all(
    ctx: Any, stream: Any, payloads: Iterable[Any], *, pause: float = 0.0, seed: int = 0
) -> None:
    """Offer ``payloads`` in order; before each, pause a cycle with probability ``pause``, again
    and again. The payload is garbage in every cycle without ``valid``."""
    source = random.Random(seed)
    _set_garbage(ctx, stream, source)
    for payload in payloads:
        while source.random() < pause:
            await ctx.tick()
            _set_garbage(ctx, stream, source)
        await put(ctx, stream, payload)
        _set_garbage(ctx, stream, source)


async def get_all(
    ctx: Any, stream: Any, count: int, *, pause: float = 0.0, seed: int = 1
) -> list[Any]:
    """Take ``count`` payloads, not ready in a cycle with probability ``pause``."""
    source = random.Random(seed)
    payloads: list[Any] = []
    while len(payloads) < count:
        ready = source.random() >= pause
        ctx.set(stream.ready, ready)
        _, _, valid, payload = await ctx.tick().sample(stream.valid, stream.payload)
        if ready and valid:
            payloads.append(payload)
    ctx.set(stream.ready, 0)
    return payloads


def monitor(stream: Any, name: str = "stream") -> Callable[[Any], Awaitable[None]]:
    """A background testbench: it asserts that what ``stream`` offers stays until it is taken."""
    async def watch(ctx: Any) -> None:
        offered = None
        while True:
            _, _, valid, ready, payload = await ctx.tick().sample(
                stream.valid, stream.ready, _bits(stream.payload)
            )
            _check_stability(name, offered, valid, payload)
            offered = payload if valid and not ready else None

    return watch


def simulate(
    component: Any,
    *testbenches: Callable[[Any], Awaitable[None]],
    background: Iterable[Callable[[Any], Awaitable[None]]] = (),
    patience: int = PATIENCE,
    trace: str | Path | None = None,
) -> None:
    """Run ``testbenches`` to their ends on ``component``, clocked at 1 MHz.

    Parameters
    ----------
    background : iterable
        Testbenches that need not end, such as ``monitor(dut.o)``.
    patience : int
        Cycles after which a run that has not ended raises :class:`AssertionError`.
    trace : path
        A VCD file to write.
    """
    from amaranth.hdl import Module, Signal
    from amaranth.sim import Simulator

    top = Module()
    top.submodules.dut = component
    top.d.sync += Signal(name="clocked").eq(1)  # there is a clock even if the component has none
    simulator = Simulator(top)
    simulator.add_clock(1e-6)

    async def watchdog(ctx: Any) -> None:
        await ctx.delay(patience * 1e-6)  # at 1 MHz; counting ticks would cost time
        raise AssertionError(f"Simulation must end within {patience} cycles")

    for testbench in testbenches:
        simulator.add_testbench(testbench)
    for testbench in (*background, watchdog):
        simulator.add_testbench(testbench, background=True)
    if trace is None:
        simulator.run()
    else:
        with simulator.write_vcd(str(trace)):
            simulator.run()


def _bits(payload: Any) -> Any:
    from amaranth.hdl import Value

    return Value.cast(payload)


def _set_garbage(ctx: Any, stream: Any, source: random.Random) -> None:
    bits = _bits(stream.payload)
    if len(bits):
        ctx.set(bits, source.getrandbits(len(bits)))


# cocotb ----------------------------------------------------------------------------------------
# Inputs change just after a rising edge and everything is read at the falling edge: at the rising
# edge itself Icarus still shows the registers of the cycle before, Verilator those of the next.

async def start(
    dut: Any, *, period: float = 10, unit: str = "ns", reset: bool = True
) -> None:
    """Start ``dut.clk`` and hold ``dut.rst`` for two cycles; returns just after a rising edge.

    Without ``reset`` it stays low: an FPGA starts with the initial values of its registers.
    """
    from cocotb.clock import Clock
    from cocotb.triggers import RisingEdge, Timer

    dut.rst.value = int(reset)
    await Timer(period, unit=unit)  # all inputs are driven before the first edge
    Clock(dut.clk, period, unit=unit).start()
    for _ in range(3):
        await RisingEdge(dut.clk)
    dut.rst.value = 0


class _Port:
    """The three signals of a flattened stream, and its own random source."""

    def __init__(self, dut: Any, name: str, *, pause: float = 0.0, seed: int = 0):
        from cocotb.triggers import FallingEdge, RisingEdge

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
        import cocotb

        super().__init__(dut, name)
        self.transfers: list[int] = []
        self.cycles: list[int] = []
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        offered = None
        for cycle in itertools.count():
            valid, ready = await self.cycle()
            _check_stability(self.name, offered, valid, self.bits)
            offered = None
            if valid and ready:
                self.transfers.append(self.bits)
                self.cycles.append(cycle)
            elif valid:
                offered = self.bits


def _check_stability(name: str, offered: int | None, valid: Any, payload: int) -> None:
    if offered is None:
        return
    promise = f"{name} must offer {offered:#x} until ready"
    assert valid, f"{promise}, not withdraw it"
    assert payload == offered, f"{promise}, not change it to {payload:#x}"
