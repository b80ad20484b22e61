"""Where the cycles of a network go, layer by layer, and how full the array is meanwhile."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from nhot.compiler.image import Image
from nhot.contract.breakdown import Breakdown, breakdown
from nhot.contract.cycles import program_cycles
from nhot.contract.program import unpack_program

__all__ = ["LayerProfile", "Profile", "profile"]


@dataclass(frozen=True, kw_only=True)
class LayerProfile:
    """One layer of a program.

    Parameters
    ----------
    name, operator : str
    cycles : int
        From the end of the layer before it to its own, as the engine counts them.
    ideal : int or None
        That its multiply-accumulates would take if no lane ever had nothing to do; None for a layer
        that has none.
    parts : Breakdown
        What the cycles go to; of the first layer, whose count begins later, two more.
    """

    name: str
    operator: str
    cycles: int
    ideal: int | None
    parts: Breakdown

    @property
    def utilisation(self) -> float | None:
        """Ideal cycles over real ones."""
        return self.share(self.cycles)

    def share(self, cycles: int) -> float | None:
        """Ideal cycles over ``cycles``, to four digits; None for what has none."""
        return None if self.ideal is None or not cycles else round(self.ideal / cycles, 4)

    @property
    def bound(self) -> str:
        """What takes the most cycles: see :class:`Breakdown`."""
        return self.parts.bound

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "ideal": self.ideal, "utilisation": self.utilisation, **asdict(self.parts),
            "bound": self.bound,
        }


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A program: its layers, and the cycles in which its END is found."""

    layers: tuple[LayerProfile, ...]
    end: int

    @property
    def cycles(self) -> int:
        """Of a run, as the engine counts them."""
        return sum(layer.cycles for layer in self.layers) + self.end


def profile(image: Image) -> Profile:
    """Where the cycles of ``image`` go: exactly those of a run."""
    config = image.config
    steps = unpack_program(image.program)
    *cycles, end = program_cycles(steps, config)
    return Profile(end=end, layers=tuple(
        LayerProfile(
            name=layer.name, operator=layer.operator, cycles=count,
            parts=breakdown(step, config, first=not index),
            ideal=-(-layer.macs * config.step_cycles // config.macs)
            if layer.macs else None,
        )
        for index, (layer, step, count) in enumerate(
            zip(image.meta.layers, steps[:-1], cycles, strict=True)
        )
    ))
