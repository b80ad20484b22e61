"""What was checked, run, measured and compared."""

from __future__ import annotations

from dataclasses import dataclass, field

from nhot.errors import NhotError
from nhot.report.schema.answers import Answers
from nhot.report.schema.parts import Counts, Made, Score

__all__ = ["Compared", "ComparedLayer", "Evaluated", "Link", "Run", "Timed", "Verified"]


@dataclass(frozen=True, kw_only=True)
class Link:
    """One link of the chain of equalities that held, and on how much."""

    link: str
    compared: str


@dataclass(frozen=True, kw_only=True)
class Verified:
    """The links that held."""

    links: tuple[Link, ...]
    made: Made


@dataclass(frozen=True, kw_only=True)
class Timed(Counts):
    """Cycles of a layer, and how many of them it stalled if that was counted by layer."""

    name: str
    cycles: int
    stalls: int | None = None


@dataclass(frozen=True, kw_only=True)
class Run(Counts):
    """Inferences at a place: a board, a virtual one, a simulator.

    ``cycles`` and ``stalls`` are the most of an inference, ``layers`` are of the
    last one; ``identical`` counts outputs equal to the reference's, where these were compared.
    """

    place: str
    inputs: int
    cycles: int
    stalls: int
    layers: tuple[Timed, ...]
    made: Made
    identical: int | None = None
    answers: Answers | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.identical is not None and self.identical > self.inputs:
            raise NhotError(f"Identical outputs must be at most {self.inputs}, "
                            f"not {self.identical}")


@dataclass(frozen=True, kw_only=True)
class Evaluated(Counts):
    """How good a stage is on some data; ``sha256`` is of the file of float weights, if it was one.

    ``figures`` are more than the metric, by name.
    """

    stage: str
    data: str
    metric: str
    value: float
    samples: int
    made: Made
    sha256: str | None = None
    figures: dict[str, float] = field(default_factory=dict)
    answers: Answers | None = None

    @property
    def score(self) -> Score:
        """Its metric as that of a stage."""
        return Score(stage=self.stage, value=self.value, samples=self.samples)


@dataclass(frozen=True, kw_only=True)
class ComparedLayer(Counts):
    """A layer of two stages: largest difference, part of the values that differ, and decibels of
    signal to difference, of all layers so far and of this one alone; none where they are equal."""

    name: str
    largest: float
    differing: float
    sqnr: float | None = None
    own: float | None = None


@dataclass(frozen=True, kw_only=True)
class Compared(Counts):
    """Two stages layer by layer; ``first`` is the layer that differs first, empty if none does.

    ``classes`` is the part of the samples whose largest output is the same.
    """

    a: str
    b: str
    data: str
    samples: int
    exact: bool
    first: str
    layers: tuple[ComparedLayer, ...]
    hints: tuple[str, ...]
    made: Made
    classes: float | None = None
