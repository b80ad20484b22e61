"""A line of a study: the figures that people compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nhot.experiments.studies.own.candidates import Place
from nhot.experiments.studies.own.folder import Trial
from nhot.explore.front import front
from nhot.trials import Scored

__all__ = ["COSTS", "Line", "original_line", "points", "trial_line", "with_fronts"]

COSTS = {"terms": "terms a weight", "bits": "bits a weight", "time": "milliseconds an inference"}
"""What a score is set against, and what it is called."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One format, or the original.

    Parameters
    ----------
    name : str
    scored : Scored
    bits, terms : float, optional
        Of a weight, on average; None of the original.
    weight_bytes : int, optional
        Of all weights as an image has them.
    untrained : bool
        Whether it is a format that wants training, and had none.
    place : Place
    fronts : tuple of str
        Of :data:`COSTS`, those by which nothing is better.
    """

    name: str
    scored: Scored
    bits: float | None = None
    terms: float | None = None
    weight_bytes: int | None = None
    untrained: bool = False
    place: Place = field(default_factory=Place)
    fronts: tuple[str, ...] = ()

    @property
    def macs_per_step(self) -> int | None:
        """Of the engine's array: engines of more lanes are faster."""
        return self.place.engine.config.macs if self.place.engine else None

    @property
    def cycles(self) -> int | None:
        """Of an inference."""
        return self.place.fitted.cycles if self.place.fitted else None

    @property
    def memory_bytes(self) -> int | None:
        """Of weight memory on the engine."""
        fitted = self.place.fitted
        return None if fitted is None or fitted.weight_bits is None else -(-fitted.weight_bits // 8)

    @property
    def rate(self) -> float | None:
        """Inferences a second."""
        engine = self.place.engine
        if engine is None or engine.clock_hz is None or not self.cycles:
            return None
        return engine.clock_hz / self.cycles

    @property
    def luts(self) -> int | None:
        """Look-up tables of the engine."""
        return self.place.engine.luts if self.place.engine else None

    @property
    def dsps(self) -> int | None:
        """DSP blocks of the engine, beside them."""
        return self.place.engine.dsps if self.place.engine else None

    @property
    def fmax_mhz(self) -> float | None:
        """Of the engine."""
        return self.place.engine.fmax_mhz if self.place.engine else None

    @property
    def estimated(self) -> bool:
        """Whether time, cells and Fmax are estimates."""
        return self.place.engine is not None and self.place.engine.estimate is not None

    def cost(self, name: str) -> float | None:
        """One of :data:`COSTS`."""
        time = None if self.rate is None else 1000 / self.rate
        return {"terms": self.terms, "bits": self.bits, "time": time}[name]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        engine = self.place.engine
        return {
            "format": self.name, "stage": self.scored.stage, "metric": self.scored.metric,
            "value": self.scored.value, "samples": self.scored.samples,
            "figures": self.scored.figures, "untrained": self.untrained,
            "bits_per_weight": self.bits, "terms_per_weight": self.terms,
            "weight_bytes": self.weight_bytes, "memory_bytes": self.memory_bytes,
            "engine": engine.name if engine else None, "macs_per_step": self.macs_per_step,
            "cycles": self.cycles,
            "clock_hz": engine.clock_hz if engine else None, "inferences_per_second": self.rate,
            "estimated": self.estimated, "lut4": self.luts, "dsps": self.dsps,
            "fmax_mhz": self.fmax_mhz,
            "front": list(self.fronts),
            "refused": {name: one.reason for name, one in self.place.refused.items()},
        }


def original_line(trial: Trial) -> Line:
    """That of the model as it was brought."""
    return Line(name=trial.scored.stage, scored=trial.scored)


def trial_line(trial: Trial, place: Place) -> Line:
    """That of a format."""
    assert trial.rounded is not None
    counts = trial.rounded.counts
    return Line(
        name=trial.rounded.format, scored=trial.scored, bits=counts.bits_per_weight,
        terms=counts.terms_per_weight, weight_bytes=-(-counts.bits // 8),
        untrained=trial.rounded.untrained, place=place,
    )


def points(lines: Sequence[Line], cost: str) -> list[tuple[Line, float]]:
    """The lines that have a cost, and it."""
    known = [(line, line.cost(cost)) for line in lines]
    return [(line, value) for line, value in known if value is not None]


def with_fronts(lines: Sequence[Line]) -> list[Line]:
    """``lines`` that know the fronts that they are on."""
    found: dict[str, list[str]] = {line.name: [] for line in lines}
    for cost in COSTS:
        known = points(lines, cost)
        for one in front([(value, -line.scored.better) for line, value in known]):
            found[known[one][0].name].append(cost)
    return [replace(line, fronts=tuple(found[line.name])) for line in lines]
