"""The signals of a simulation, cycle by cycle, as the rows of a picture."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Value

from nhot_hw.core.timing import Rows
from nhot_sim.streams import simulate

__all__ = ["Trace", "record"]


@dataclass(frozen=True)
class Trace:
    """A signal that is drawn.

    Parameters
    ----------
    path : str
        Where it is in the component, such as ``o_step.address[0]``; the name of its row.
    text : callable, optional
        What is written for a value; without it the row is a level.
    when : str, optional
        Path of a signal; while that is low this one says nothing, and is drawn as low or empty.
    of : object, optional
        Where ``path`` begins, if not in the component.
    """

    path: str
    text: Callable[[int], str] | None = None
    when: str | None = None
    of: Any = None


def record(
    component: Any, traces: Sequence[Trace], *drivers: Callable[[Any], Awaitable[None]],
    cycles: int, start: int = 0,
) -> Rows:
    """Simulate, and write down ``cycles`` cycles from cycle ``start`` on, as at their ends.

    ``drivers`` are testbenches; they need not end.
    """
    signals = [_signal(trace.of or component, trace.path) for trace in traces]
    conditions = [
        _signal(trace.of or component, trace.when) for trace in traces if trace.when is not None
    ]
    taken: list[list[int]] = []

    async def look(ctx: Any) -> None:
        for cycle in range(start + cycles):
            _, _, *values = await ctx.tick().sample(*signals, *conditions)
            if cycle >= start:
                taken.append(values)

    simulate(component, look, background=drivers)
    columns = list(zip(*taken, strict=True))
    shown = iter(columns[len(signals) :])
    rows: list[tuple[str, list[Any]]] = [("cycle", [str(t) for t in range(start, start + cycles)])]
    for trace, values in zip(traces, columns, strict=False):
        when = [1] * cycles if trace.when is None else next(shown)
        rows.append((trace.path, [
            bool(value and valid) if trace.text is None else trace.text(value) if valid else ""
            for value, valid in zip(values, when, strict=True)
        ]))
    return rows


def _signal(component: Any, path: str) -> Value:
    for part in path.replace("[", ".").replace("]", "").split("."):
        component = component[int(part)] if part.isdecimal() else getattr(component, part)
    return Value.cast(component)
