"""A float network, and the integer one that came of it."""

from __future__ import annotations

from dataclasses import dataclass

from nhot.errors import NhotError
from nhot.report.schema.answers import Answers
from nhot.report.schema.parts import Counts, Made, Score

__all__ = ["Epoch", "Layer", "Levels", "Network", "Quantized", "Training"]


@dataclass(frozen=True, kw_only=True)
class Epoch(Counts):
    """Mean loss of an epoch if that was a number, and the metric after it if it was measured."""

    epoch: int
    loss: float | None = None
    metric: float | None = None


@dataclass(frozen=True, kw_only=True)
class Training:
    """A float network's training; ``sha256`` is of the file of weights that came of it."""

    model: str
    data: str
    metric: str
    sha256: str
    settings: dict[str, str | int | float]
    epochs: tuple[Epoch, ...]
    made: Made
    score: Score | None = None
    answers: Answers | None = None


@dataclass(frozen=True, kw_only=True)
class Layer(Counts):
    """A layer of a network; ``format`` and the counts are of its weights, if it has any.

    ``requant_terms`` are the most of a multiplier, 0 where there is none.
    """

    name: str
    operator: str
    output: tuple[int, ...]
    format: str = ""
    weights: int = 0
    bits: int = 0
    terms: int = 0
    macs: int = 0
    requant_terms: int = 0


@dataclass(frozen=True, kw_only=True)
class Levels:
    """All levels of a layer's format in ascending order, and the number of weights on each."""

    layer: str
    format: str
    levels: tuple[int, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.levels or len(self.levels) != len(self.counts):
            raise NhotError(f"Levels must be at least one and have a count each, not "
                            f"{len(self.levels)} with {len(self.counts)} counts")
        if any(a >= b for a, b in zip(self.levels, self.levels[1:], strict=False)):
            raise NhotError("Levels must be in ascending order")
        if min(self.counts) < 0:
            raise NhotError(f"Counts must be 0 or more, not {min(self.counts)}")


@dataclass(frozen=True, kw_only=True)
class Network:
    """The integer network; ``sha256`` is of its file."""

    name: str
    sha256: str
    input: tuple[int, ...]
    layers: tuple[Layer, ...]
    levels: tuple[Levels, ...]


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """How the integer network came to be, and what it scores; ``weights`` is the SHA-256 of the
    file of float weights that it began with, if it was one."""

    data: str
    metric: str
    scores: tuple[Score, ...]
    settings: dict[str, str | int | float]
    made: Made
    weights: str | None = None
    answers: Answers | None = None
