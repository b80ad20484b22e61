"""What the cycles of a layer go to: each one counted once, from the same formula as their sum."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from nhot.contract.config import EngineConfig
from nhot.contract.cycles import (
    column_cycles,
    layer_cycles,
    leading_columns,
    program_cycles,
)
from nhot.contract.program import Descriptor, Operation

__all__ = ["Breakdown", "breakdown"]


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """The cycles of a layer, by what the engine does in them.

    Parameters
    ----------
    fetch : int
        Reads the descriptor and starts.
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


def breakdown(step: Descriptor, config: EngineConfig) -> Breakdown:
    """What the cycles of the layer of ``step`` go to."""
    fetch = _fetch(config)
    column = column_cycles(step, config)
    columns = (step.last_tile + 1) * (step.last_row + 1) * (step.last_column + 1)
    leading = leading_columns(step, config)
    # One pixel group waits for none: the rest is its tail.
    single = replace(step, last_tile=0, last_row=0, last_column=leading)
    tail = layer_cycles(single, config) - fetch - (leading + 1) * column
    steps = columns * column
    return Breakdown(
        fetch=fetch, steps=steps, tail=tail,
        stalls=layer_cycles(step, config) - fetch - steps - tail,
    )


def _fetch(config: EngineConfig) -> int:
    """What an END takes behind a layer, since it is nothing but fetched."""
    end = Descriptor(operation=Operation.END)
    return program_cycles([end, end], config)[1]
