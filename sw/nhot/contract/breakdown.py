"""What the cycles of a layer go to: each one counted once, from the same formula as their sum."""

from __future__ import annotations

from dataclasses import dataclass, fields

from nhot.contract.config import EngineConfig
from nhot.contract.cycles import (
    START_CYCLES,
    column_cycles,
    first_fetch_cycles,
    layer_cycles,
    tail_cycles,
    waiting_cycles,
)
from nhot.contract.program import Descriptor

__all__ = ["Breakdown", "breakdown"]


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """The cycles of a layer, by what the engine does in them.

    Parameters
    ----------
    fetch : int
        Starts, and waits for the next descriptor where the tail does not hide that. The first layer
        of a program waits for its own, too.
    steps : int
        Takes activations and weights into its sums; with a single port, the turns of writes too.
    stalls : int
        Waits with finished sums for the readout, which waits for the requantisers. It is what the
        engine's counter of stalls has.
    tail : int
        Requantises and writes what the last step left.
    """

    fetch: int
    steps: int
    stalls: int
    tail: int

    @property
    def cycles(self) -> int:
        """All of them."""
        return sum(getattr(self, one.name) for one in fields(self))

    @property
    def bound(self) -> str:
        """What takes the most: "fetch", "steps", "requantiser" (by its stalls) or "tail"."""
        most = max(fields(self), key=lambda one: getattr(self, one.name)).name
        return "requantiser" if most == "stalls" else most


def breakdown(step: Descriptor, config: EngineConfig, *, first: bool = False) -> Breakdown:
    """What the cycles of the layer of ``step`` go to, which is the first of its program or not."""
    tail = tail_cycles(step, config)
    column = column_cycles(step, config)
    columns = (step.last_tile + 1) * (step.last_row + 1) * (step.last_column + 1)
    steps = columns * column
    cycles = layer_cycles(step, config)
    waits = waiting_cycles(step, config)
    stalls = cycles - START_CYCLES - steps - tail - waits
    before = first_fetch_cycles(config) if first else 0
    return Breakdown(fetch=before + START_CYCLES + waits, steps=steps, stalls=stalls, tail=tail)
