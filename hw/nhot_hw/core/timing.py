"""Timing diagrams in characters, drawn from a simulation of the component itself."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.sim import Simulator

from nhot.formats.format import Ints
from nhot.testing.networks import random_steps
from nhot_hw.core.golden import wrapped_sum
from nhot_hw.lanes import LaneSpec

__all__ = ["TIMING_STEPS", "Rows", "array_timing", "draw", "lane_rows", "lane_timing"]

Rows = Sequence[tuple[str, Sequence[Any]]]
"""A signal's name, and its value in each cycle: a level as a boolean, or a text."""

TIMING_STEPS = 3
"""Steps that are drawn: two of sum A, one of B."""


def draw(rows: Rows, *, width: int = 4) -> str:
    """A line for each signal, a column of ``width`` characters for each cycle.

    Booleans are drawn as levels, texts as they are; a text that is the one before it is not
    repeated.
    """
    margin = max(len(name) for name, _ in rows) + 2
    return "\n".join(f"{name:{margin}}{_line(values, width)}".rstrip() for name, values in rows)


def _line(values: Sequence[Any], width: int) -> str:
    cells, before = [], None
    for value in values:
        if isinstance(value, bool):
            cells.append(("‾" if value else "_") * width)
        elif value and value == before:
            cells.append("-" * width)
        else:
            cells.append(f"{value:{width}}")
        before = value
    return "".join(cells)


def lane_timing(spec: LaneSpec, core: wiring.Component) -> str:
    """:func:`lane_rows` in characters."""
    return draw(lane_rows(spec, core))


def lane_rows(spec: LaneSpec, core: wiring.Component) -> Rows:
    """Two sums, A of two steps with a gap between them and B of one, as the lane takes them.

    ``core`` has the ports of :class:`nhot_hw.core.lane.LaneCore`; it is simulated, and ``o_sum``
    says A and B where it must hold what the reference computes of them, and does.
    """
    def feed(ctx: Any, step: int, x: Ints, w: Ints) -> None:
        ctx.set(core.i_x, x.tolist())
        ctx.set(core.i_w, spec.pack(w))

    return _rows(spec, core, spec.latency, feed, core.o_sum, "i_x, i_w")


def array_timing(spec: LaneSpec, core: wiring.Component) -> str:
    """The same two sums in an array, :class:`nhot_hw.core.array.ArrayCore`; that of lane 0.

    The weights of a step are written to the memory in the cycles before those that are shown.
    """
    pixels = len(core.i_x)

    async def load(ctx: Any, weights: Sequence[Ints]) -> None:
        for address, w in enumerate(weights):
            ctx.set(core.i_write, 1)
            ctx.set(core.i_write_address, address)
            ctx.set(core.i_write_data, spec.pack(w))
            await ctx.tick()
        ctx.set(core.i_write, 0)

    def feed(ctx: Any, step: int, x: Ints, w: Ints) -> None:
        ctx.set(core.i_x, [x.tolist()] * pixels)
        ctx.set(core.i_weights, step)

    return draw(_rows(
        spec, core, core.latency, feed, core.o_sum[0][0], "i_x, i_weights", load=load
    ))


def _rows(
    spec: LaneSpec, core: Any, latency: int, feed: Callable[..., None], total: Value, inputs: str,
    *, load: Callable[..., Awaitable[None]] | None = None,
) -> Rows:
    steps, sums = _operands(spec, np.random.default_rng(2))
    # What the cycles are of: a sum's name and its step's number, or a gap.
    order = [("A", 0), None, ("A", 1), ("B", 2)]
    cycles = [(step, phase) for step in order for phase in range(spec.ii if step else 1)]
    cycles += [(None, 0)] * (latency + 2)
    enable = [step is not None for step, _ in cycles]
    first = [step in (("A", 0), ("B", 2)) for step, _ in cycles]
    last = [step in (("A", 1), ("B", 2)) and phase == spec.ii - 1 for step, phase in cycles]
    names = _defined(cycles, last, latency)
    valid: list[bool] = []

    async def bench(ctx: Any) -> None:
        if load is not None:
            await load(ctx, [w for _, w in steps])
        for t, (step, phase) in enumerate(cycles):
            if step is not None:
                feed(ctx, step[1], *steps[step[1]])
            for name, value in (("i_en", enable[t]), ("i_first", first[t]), ("i_last", last[t]),
                                ("i_phase", phase)):
                if hasattr(core, name):
                    ctx.set(getattr(core, name), value)
            if names[t] and ctx.get(total) != sums[names[t]]:
                raise AssertionError(f"Sum {names[t]} must be there in cycle {t}")
            if load is not None:
                valid.append(bool(ctx.get(core.o_valid)))
            await ctx.tick()

    simulator = Simulator(core)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return [
        ("cycle", [str(t) for t in range(len(cycles))]),
        ("i_en", enable), ("i_first", first), *([("i_last", last)] if valid else []),
        *([("i_phase", [str(phase) if step else "" for step, phase in cycles])]
          if spec.ii > 1 else []),
        (inputs, [f"{step[0]}{step[1] % 2}" if step else "" for step, _ in cycles]),
        ("o_sum", names[: len(cycles)]), *([("o_valid", valid)] if valid else []),
    ]


def _defined(
    cycles: Sequence[tuple[tuple[str, int] | None, int]], last: Sequence[bool], latency: int
) -> list[str]:
    """The sum that ``o_sum`` must hold in each cycle; none while it may be anything."""
    names = [""] * latency
    for (step, _), ends in zip(cycles, last, strict=True):
        names.append(step[0] if step and ends else "" if step else names[-1])
    return names


def _operands(
    spec: LaneSpec, rng: np.random.Generator
) -> tuple[list[tuple[Ints, Ints]], dict[str, int]]:
    """Activations and weights of the steps A0, A1 and B0, and the sums by name."""
    low, high = spec.activation_range
    x = rng.integers(low, high + 1, (TIMING_STEPS, spec.inputs))
    w = random_steps(rng, spec.format, (TIMING_STEPS, spec.inputs))
    sums = {"A": wrapped_sum(spec, x[:2], w[:2]), "B": wrapped_sum(spec, x[2:], w[2:])}
    return list(zip(x, w, strict=True)), sums
