"""An entry of a report: one network on one engine; and the report, which is many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nhot.errors import NhotError
from nhot.report.schema.hardware import Build, Image
from nhot.report.schema.measured import Compared, Evaluated, Run, Verified
from nhot.report.schema.parts import Score
from nhot.report.schema.trained import Network, Quantized, Training

__all__ = ["Entry", "Report", "VERSION"]

VERSION = 2


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
