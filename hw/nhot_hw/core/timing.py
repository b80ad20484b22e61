"""Timing diagrams in characters, drawn from a simulation of the component itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from amaranth.lib import wiring
from amaranth.sim import Simulator

from nhot_hw.core.golden import wrapped_sum
from nhot_hw.lanes import LaneSpec

__all__ = ["draw", "lane_timing"]

_WIDTH = 4  # characters a cycle


def draw(rows: Sequence[tuple[str, Sequence[Any]]]) -> str:
    """A line for each signal, a column for each cycle.

    The values of a row are booleans, drawn as levels, or texts, drawn as they are; a text that is
    the one before it is not repeated.
    """
    margin = max(len(name) for name, _ in rows) + 2
    return "\n".join(f"{name:{margin}}{_line(values)}".rstrip() for name, values in rows)


def _line(values: Sequence[Any]) -> str:
    cells, before = [], None
    for value in values:
        if isinstance(value, bool):
            cells.append(("‾" if value else "_") * _WIDTH)
        elif value and value == before:
            cells.append("-" * _WIDTH)
        else:
            cells.append(f"{value:{_WIDTH}}")
        before = value
    return "".join(cells)


def lane_timing(spec: LaneSpec, core: wiring.Component) -> str:
    """Two sums, A of two steps with a gap between them and B of one, as the lane takes them.

    ``core`` has the ports of :class:`nhot_hw.core.lane.LaneCore`; it is simulated, and ``o_sum``
    says A and B where it holds what the reference computes of them.
    """
    rng = np.random.default_rng(2)
    steps, sums = _operands(spec, rng)
    order = [("A", 0), None, ("A", 1), ("B", 0)]
    cycles = [
        (step, phase) for step in order for phase in range(spec.ii if step else 1)
    ] + [(None, 0)] * (spec.latency + 2)
    labels = dict.fromkeys(sums.values(), "")
    labels |= {total: name for name, total in sums.items()}
    seen: list[str] = []

    async def bench(ctx: Any) -> None:
        for t, (step, phase) in enumerate(cycles):
            x, w = steps.get(step, (np.zeros(spec.inputs, dtype=np.int64),) * 2)
            ctx.set(core.i_x, x.tolist())
            ctx.set(core.i_w, spec.pack(w) if step else 0)
            ctx.set(core.i_en, step is not None)
            ctx.set(core.i_first, step is not None and step[1] == 0)
            if spec.ii > 1:
                ctx.set(core.i_phase, phase)
            seen.append(labels.get(ctx.get(core.o_sum), "") if t else "")
            await ctx.tick()

    simulator = Simulator(core)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return draw([
        ("cycle", [str(t) for t in range(len(cycles))]),
        ("i_en", [step is not None for step, _ in cycles]),
        ("i_first", [step is not None and step[1] == 0 for step, _ in cycles]),
        *([("i_phase", [str(phase) if step else "" for step, phase in cycles])]
          if spec.ii > 1 else []),
        ("i_x, i_w", ["".join(map(str, step)) if step else "" for step, _ in cycles]),
        ("o_sum", seen),
    ])


def _operands(spec: LaneSpec, rng: np.random.Generator) -> tuple[dict[Any, Any], dict[str, int]]:
    """Activations and weights of each step, and the sums, which differ from all on the way."""
    low, high = spec.activation_range
    smallest = np.abs(spec.format.levels).argsort(kind="stable")[:3]
    while True:
        shape = (3, spec.inputs)
        x = rng.integers(max(low, -3), min(high, 3) + 1, shape)
        w = rng.choice(spec.format.levels[smallest], shape)
        steps = {("A", 0): (x[0], w[0]), ("A", 1): (x[1], w[1]), ("B", 0): (x[2], w[2])}
        sums = {"A": wrapped_sum(spec, x[:2], w[:2]), "B": wrapped_sum(spec, x[2:], w[2:])}
        on_the_way = {0, wrapped_sum(spec, x[:1], w[:1])}
        if len({*sums.values(), *on_the_way}) == 2 + len(on_the_way):
            return steps, sums
