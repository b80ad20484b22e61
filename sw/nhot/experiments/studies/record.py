"""What one training of a study gave, as a JSON file."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from nhot.errors import NhotError
from nhot.files import write_atomically
from nhot.network.additions import Additions
from nhot.network.counts import Counts
from nhot.printable import shortened
from nhot.schema import read_json

__all__ = ["Record", "load_records"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """A row of a study, once trained.

    Parameters
    ----------
    study, row : str
    seed : int
    metric : str
        What is measured, such as ``accuracy``.
    score : float
        The metric on the held-out data, after all training, of the integer network.
    stages : dict
        The metric after each stage, the first being the rounded float network; on the samples for
        validation where there are such.
    counts : dict
        Sums of :class:`nhot.network.counts.Counts`; empty for a float network.
    additions : dict
        Of an inference in the layers with the row's format, as
        :class:`nhot.network.additions.Additions` has them; empty where they were not counted.
    epochs : int
        Passes over the training data after (or without) the float training.
    facts : dict
        Further figures, settings and versions.
    resampled : list of float
        The metric on held-out samples drawn anew, with replacement; the draws are the same for all
        rows of a seed. Empty where they were not drawn.
    validation : float, optional
        The metric on samples for validation, where the study has them.
    chosen : str
        The candidate that the row was trained as, if it had some,
    candidates : dict
        and by name what all of them were chosen by: ``validation`` and ``density``.
    """

    study: str
    row: str
    seed: int
    metric: str
    score: float
    stages: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    additions: dict[str, int] = field(default_factory=dict)
    epochs: int = 0
    facts: dict[str, float | dict[str, dict[str, float]]] = field(default_factory=dict)
    resampled: list[float] = field(default_factory=list)
    validation: float | None = None
    chosen: str = ""
    candidates: dict[str, dict[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        figures = {"score": self.score, **self.stages, "AP50": self.average_precision or 0.0,
                   "validation": self.validation or 0.0}
        figures |= {f"resampled {place}": value for place, value in enumerate(self.resampled)}
        for name, value in figures.items():
            if not -1 <= value <= 1:  # -1: nothing to find
                raise NhotError(f"Record {name} must be -1 to 1, not {shortened(value)}")
        if self.chosen not in (self.candidates or {"": {}}):
            raise NhotError(f"Record chosen must be one of its candidates, not {self.chosen!r}")
        self._check_names("counts", Counts)
        self._check_names("additions", Additions)
        if self.additions and (min(self.additions.values()) < 0 or not self.additions["sums"]):
            raise NhotError("Record additions must be 0 or more, of sums 1 or more, not "
                            + ", ".join(map(str, self.additions.values())))
        if self.counts and (min(self.counts.values()) < 0 or not self.counts["weights"]
                            or not self.counts["macs"]):
            raise NhotError(f"Record counts must be 0 or more, of weights and macs 1 or more, "
                            f"not {', '.join(map(str, self.counts.values()))}")

    def _check_names(self, what: str, kind: type[Counts | Additions]) -> None:
        given, names = getattr(self, what), [one.name for one in fields(kind)]
        if given and sorted(given) != sorted(names):
            raise NhotError(f"Record {what} must be {', '.join(names)}, "
                            f"not {shortened(', '.join(given))}")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the record, whole or not at all."""
        text = json.dumps(asdict(self), indent=2) + "\n"
        write_atomically(path, text.encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Record:
        """Read a record; a file that is none is refused by name."""
        return read_json(cls, path, "Record")

    @property
    def average_precision(self) -> float | None:
        """Of detections at half overlap, if the record has it."""
        value = self.facts.get("AP50")
        if isinstance(value, dict):
            raise NhotError(f"Record AP50 must be a number, not {shortened(value)}")
        return value

    @property
    def density(self) -> float | None:
        """The part of the weights that is not zero."""
        return self._per_weight("effectual")

    @property
    def bits_per_weight(self) -> float | None:
        """Bits of a stored weight, on average."""
        return self._per_weight("bits")

    @property
    def terms_per_weight(self) -> float | None:
        """Signed powers of two of a weight, on average."""
        return self._per_weight("terms")

    @property
    def most_terms(self) -> float | None:
        """Shifted additions of a multiply-accumulate where every weight takes the most it may."""
        if not self.counts:
            return None
        return self.counts["shift_adds"] / self.counts["macs"]

    def _per_weight(self, what: str) -> float | None:
        return self.counts[what] / self.counts["weights"] if self.counts else None


def load_records(folder: str | os.PathLike[str]) -> list[Record]:
    """All records below ``folder``, in the order of their paths."""
    if not Path(folder).is_dir():
        raise NhotError(f"Folder of records must exist, not {str(folder)!r}")
    return [Record.load(path) for path in sorted(Path(folder).rglob("record*.json"))]
