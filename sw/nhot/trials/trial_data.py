"""Data of a trial: what ranges are taken from, and what is measured with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nhot.errors import NhotError
from nhot.experiments.evaluation.measure import Task
from nhot.experiments.tasks.source import DIGITS, Source

if TYPE_CHECKING:
    from nhot.experiments.data.dataset import Floats
    from nhot.formats.format import Ints

__all__ = ["DataSpec", "TrialData", "open_data"]


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """Which data, and how much of them.

    Parameters
    ----------
    data : str
        The folder of a data set, an .npz file, or ``digits``; ranges are taken from its samples to
        train on.
    test : str, optional
        What to measure with; without it what ``data`` holds out, or else all there is.
    size : (height, width), optional
        What photographs are brought to.
    task : Task, optional
        What the data are for, where they do not say it.
    samples : int, optional
        That ranges are taken from; without it 512, of large images fewer.
    measured : int, optional
        So many, evenly spread, are measured with; without it all.
    """

    data: str
    test: str | None = None
    size: tuple[int, int] | None = None
    task: Task | None = None
    samples: int | None = None
    measured: int | None = None

    def __post_init__(self) -> None:
        for name in ("samples", "measured"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise NhotError(f"Number of {name} must be at least 1, not {value}")

    @property
    def measured_with(self) -> str:
        """The name of the data that are measured with."""
        return self.data if self.test is None else self.test

    def fingerprint(self) -> str:
        """SHA-256 of what is in the files, and of what is taken of it."""
        digest = hashlib.sha256()
        for part in (_content(self.data), "" if self.test is None else _content(self.test),
                     repr((self.size, self.task, self.samples, self.measured))):
            digest.update(part.encode() + b"\0")
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True, eq=False)
class TrialData:
    """Data that are open.

    Parameters
    ----------
    spec : DataSpec
    x : (samples, ...) float32
        That ranges are taken from.
    y : (samples,) int64, optional
        Their classes, if they are known.
    input_range : (low, high), optional
        Ends of the values of a sample, if they are known beforehand.
    source : Source
        To measure with.
    split : str
        Of ``source``.
    """

    spec: DataSpec
    x: Floats
    y: Ints | None
    input_range: tuple[float, float] | None
    source: Source
    split: str

    @property
    def held_out(self) -> bool:
        """Whether what is measured with is not what ranges are taken from."""
        return self.spec.test is not None or self.split != "train"


def open_data(spec: DataSpec, size: tuple[int, int] | None = None) -> TrialData:
    """The data that ``spec`` names.

    Parameters
    ----------
    size : (height, width), optional
        Of the model's input, for photographs where ``spec`` has none.

    Raises
    ------
    NhotError
        The data cannot be read, or have no such samples.
    """
    wanted, numbers = spec.size or size, spec.task == "numbers"
    source = Source(spec.data, wanted, outputs=numbers)
    other = source if spec.test is None else Source(spec.test, wanted, outputs=numbers)
    x, y = source.samples(spec.samples)
    classes = spec.task in {None, "classes"}
    return TrialData(
        spec=spec, x=x, y=y if classes else None, input_range=source.splits.input_range,
        source=other, split=other.held_out(alone=True) or "train",
    )


def _content(name: str) -> str:
    """SHA-256 of a file, or of the names and contents of all files in a folder."""
    path = Path(name)
    if name == DIGITS and not path.exists():
        train = Source(DIGITS).splits.train
        return hashlib.sha256(b"".join(train[place][0].tobytes() for place in range(len(train)))
                              ).hexdigest()
    if not path.exists():
        raise NhotError(f"Data {name!r} must exist, and does not")
    if path.is_file():
        return _file(path)
    from nhot.progress import track

    digest = hashlib.sha256()
    files = sorted(one for one in path.rglob("*") if one.is_file())
    for one in track(files, f"looking at {name}", unit="files"):
        digest.update(f"{one.relative_to(path).as_posix()}\0{_file(one)}\0".encode())
    return digest.hexdigest()


def _file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise NhotError(f"Data {str(path)!r} could not be read: {error.strerror}") from None
