"""What one training of a study gave, as a JSON file."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nhot.errors import NhotError
from nhot.files import write_atomically

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
        The metric after each stage, the first being the rounded float network.
    counts : dict
        Sums of :class:`nhot.network.counts.Counts`; empty for a float network.
    epochs : int
        Passes over the training data after (or without) the float training.
    facts : dict
        Further figures, settings and versions.
    """

    study: str
    row: str
    seed: int
    metric: str
    score: float
    stages: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    epochs: int = 0
    facts: dict[str, Any] = field(default_factory=dict)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the record, whole or not at all."""
        text = json.dumps(asdict(self), indent=2) + "\n"
        write_atomically(path, text.encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Record:
        """Read a record; a file that is none is refused by name."""
        try:
            values = json.loads(Path(path).read_bytes())
            return cls(**values)
        except OSError as error:
            raise NhotError(f"Record {str(path)!r} could not be read: {error.strerror}") from None
        except (ValueError, TypeError) as error:
            raise NhotError(f"Record {str(path)!r} must be one of a study: {error}") from None

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
