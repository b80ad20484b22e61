"""What a report holds: plain data, one dataclass a part.

A file is ``{"version": 2, "entries": [...]}``. An entry is one network on one engine; each command
adds the parts it knows of, and a part that is not there leaves its section out of the page. The
annotations are what :mod:`nhot.schema` checks a file by; what they cannot say is checked here.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime

from nhot.errors import NhotError
from nhot.printable import shortened

__all__ = [
    "VERSION", "Answers", "Build", "Compared", "ComparedLayer", "Entry", "Epoch", "Evaluated",
    "Image", "Layer", "Levels", "Link", "Made", "Memory", "Network", "Quantized", "Report", "Run",
    "Score", "Timed", "Training", "Verified", "Wrong",
]

VERSION = 2

_PNG = b"\x89PNG\r\n\x1a\n"


class _Counts:
    """Base of parts whose whole numbers are counts: none may be below zero."""

    def __post_init__(self) -> None:
        for one in fields(self):  # type: ignore[arg-type]  # every part is a dataclass
            value = getattr(self, one.name)
            if isinstance(value, int | float) and value < 0 and one.name not in _SIGNED:
                raise NhotError(f"{type(self).__name__} {one.name} must be 0 or more, not {value}")


_SIGNED = {"value", "loss", "sqnr", "own"}


@dataclass(frozen=True, kw_only=True)
class Made:
    """Which command made a part, when (ISO 8601, UTC), and with which versions of what."""

    command: str
    date: str
    versions: dict[str, str]

    def __post_init__(self) -> None:
        try:
            datetime.fromisoformat(self.date)
        except ValueError:
            raise NhotError(f"Date must be as 2030-12-31T23:59:59+00:00, "
                            f"not {shortened(self.date)}") from None

    @property
    def minute(self) -> str:
        """The date as people read it."""
        return f"{datetime.fromisoformat(self.date):%Y-%m-%d %H:%M %Z}".strip()


@dataclass(frozen=True, kw_only=True)
class Score(_Counts):
    """The metric of a stage: accuracy as a part of 1, of so many samples where that is known."""

    stage: str
    value: float
    samples: int | None = None


@dataclass(frozen=True, kw_only=True)
class Wrong(_Counts):
    """One wrong answer; ``picture`` is a PNG in base64 if the input is a picture."""

    index: int
    label: int
    answer: int
    picture: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.picture is None:
            return
        try:
            sound = base64.b64decode(self.picture, validate=True).startswith(_PNG)
        except (binascii.Error, ValueError):
            sound = False
        if not sound:
            raise NhotError(f"Picture must be a PNG in base64, not {shortened(self.picture)}")


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Labels beside answers: (label, answer, how often), those that occur.

    ``names`` are those of the classes, in the order of labels; ``wrong`` has the first wrong ones.
    """

    classes: int
    pairs: tuple[tuple[int, int, int], ...]
    names: tuple[str, ...] = ()
    wrong: tuple[Wrong, ...] = ()

    def __post_init__(self) -> None:
        for label, answer, count in self.pairs:
            if not (0 <= label < self.classes and 0 <= answer < self.classes and count > 0):
                raise NhotError(f"Pair must be two of {self.classes} classes and a count above 0, "
                                f"not {(label, answer, count)}")
        if self.names and len(self.names) != self.classes:
            raise NhotError(f"Names must be one a class ({self.classes}), not {len(self.names)}")
        for one in self.wrong:
            if max(one.label, one.answer) >= self.classes:
                raise NhotError(f"Wrong answer must be one of {self.classes} classes, "
                                f"not {one.label} read as {one.answer}")

    @property
    def correct(self) -> int:
        """Answers that are the label."""
        return sum(count for label, answer, count in self.pairs if label == answer)

    @property
    def total(self) -> int:
        """All answers."""
        return sum(count for _, _, count in self.pairs)


@dataclass(frozen=True, kw_only=True)
class Epoch(_Counts):
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
class Layer(_Counts):
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


@dataclass(frozen=True, kw_only=True)
class Memory(_Counts):
    """Words of a memory that the network takes, and those that there are."""

    name: str
    words: int
    depth: int


@dataclass(frozen=True, kw_only=True)
class Image(_Counts):
    """A memory image: ``sha256`` is its content hash, ``cycles`` are predicted, by layer."""

    network: str
    sha256: str
    target_id: str
    format: str
    cycles: int
    layers: tuple[tuple[str, int], ...]
    memories: tuple[Memory, ...]
    board: str = ""
    configuration: str = ""
    clock_hz: int | None = None
    made: Made | None = None


@dataclass(frozen=True, kw_only=True)
class Build:
    """A bitstream, as its manifest has it: cells by kind as (used, available), clocks in MHz."""

    board: str
    configuration: str
    part: str
    target_id: str
    sha256: str
    fmax_mhz: float
    clock_mhz: float
    resources: dict[str, tuple[int, int]]
    tools: dict[str, str]

    def __post_init__(self) -> None:
        if self.fmax_mhz <= 0 or self.clock_mhz <= 0:
            raise NhotError(f"Clock must be above 0 MHz, not {min(self.fmax_mhz, self.clock_mhz)}")
        for name, (used, available) in self.resources.items():
            if used < 0 or available < 0:
                raise NhotError(f"Resource {shortened(name)} must be 0 or more, "
                                f"not {used} of {available}")


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
class Timed(_Counts):
    """Cycles of a layer, and how many of them it stalled if that was counted by layer."""

    name: str
    cycles: int
    stalls: int | None = None


@dataclass(frozen=True, kw_only=True)
class Run(_Counts):
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
class Evaluated(_Counts):
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
class ComparedLayer(_Counts):
    """A layer of two stages: largest difference, part of the values that differ, and decibels of
    signal to difference, of all layers so far and of this one alone; none where they are equal."""

    name: str
    largest: float
    differing: float
    sqnr: float | None = None
    own: float | None = None


@dataclass(frozen=True, kw_only=True)
class Compared(_Counts):
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


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One network on one engine, as far as is known."""

    training: Training | None = None
    network: Network | None = None
    quantized: Quantized | None = None
    image: Image | None = None
    build: Build | None = None
    verified: Verified | None = None
    runs: tuple[Run, ...] = ()
    evaluated: tuple[Evaluated, ...] = ()
    compared: tuple[Compared, ...] = ()

    def __post_init__(self) -> None:
        for one in self.evaluated:
            _check_accuracies(one.metric, [one.score])
        for what, scores in (
            ("Training", [self.training.score] if self.training else []),
            ("Quantized", self.quantized.scores if self.quantized else []),
        ):
            part = self.training if what == "Training" else self.quantized
            _check_accuracies(part.metric if part else "", [one for one in scores if one])

    @property
    def name(self) -> str:
        """What to call it."""
        if self.network is not None:
            return self.network.name
        if self.image is not None:
            return self.image.network
        if self.training is not None:
            return self.training.model
        return f"{self.build.board} {self.build.configuration}" if self.build else "nothing"


def _check_accuracies(metric: str, scores: Iterable[Score]) -> None:
    for one in scores:
        if metric == "accuracy" and not 0 <= one.value <= 1:
            raise NhotError(f"Accuracy must be 0 to 1, not {one.value!r}")


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a file holds."""

    version: int = VERSION
    entries: tuple[Entry, ...] = ()
