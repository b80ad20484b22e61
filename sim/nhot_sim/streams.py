"""Drive and check ready/valid streams in Amaranth's simulator.

A stream's four rules are what these helpers stress: the payload is random garbage while ``valid``
is low, both sides pause at random, ``valid`` never waits for ``ready``, and a payload offered stays
until it is taken. All randomness is seeded.
:mod:`nhot_sim.benches.stream_ports` does the same in cocotb.
"""

import random
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

__all__ = ["check_stability", "get", "get_all", "monitor", "put", "put_all", "simulate"]

PATIENCE = 100_000
"""Cycles after which waiting for the other side of a stream is an error."""

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
            check_stability(name, offered, valid, payload)
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
    from amaranth.hdl import ClockDomain, Module
    from amaranth.sim import Simulator

    top = Module()
    top.submodules.dut = component
    top.domains.sync = ClockDomain()  # there is a clock even if the component has none
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


def check_stability(name: str, offered: int | None, valid: Any, payload: int) -> None:
    """Assert that a payload ``offered`` a cycle ago and not taken is offered still."""
    if offered is None:
        return
    promise = f"{name} must offer {offered:#x} until ready"
    assert valid, f"{promise}, not withdraw it"
    assert payload == offered, f"{promise}, not change it to {payload:#x}"
