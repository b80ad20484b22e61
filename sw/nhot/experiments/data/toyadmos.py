"""ToyADMOS as DCASE 2020 task 2 has it (Koizumi et al., 2019): the sounds of toys, whole or broken.

It is the data set of the anomaly detection of MLPerf Tiny, there the machine ToyCar: an autoencoder
learns what is normal and is tried with both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from nhot.errors import NhotError
from nhot.experiments.data.audio import LogMel, read_wav
from nhot.experiments.data.checks import read_file, refuse
from nhot.experiments.data.dataset import Floats
from nhot.experiments.data.samples import Splits

__all__ = ["CLASSES", "EXPECTED", "ToyAdmos", "is_toyadmos", "open_toyadmos"]

CLASSES = ("normal", "anomaly")
EXPECTED = "ToyADMOS (train/normal_id_*.wav with test/normal_id_*.wav and test/anomaly_id_*.wav)"
Split = Literal["train", "test"]


class ToyAdmos:
    """Recordings of one split; a sample is (vectors, label).

    Vectors are those of ``features``, with the default (196, 640) float32 of a recording of ten
    seconds; the label is 1 for an anomaly, and always 0 in the split to train on. A recording that
    is too short for a vector raises :class:`NhotError` when its turn comes.

    Parameters
    ----------
    folder : path
        Of one machine, as ``ToyCar``.
    split : {"train", "test"}
    features : LogMel
    """

    classes = CLASSES

    def __init__(
        self, folder: str | Path, split: Split, *, features: LogMel | None = None
    ) -> None:
        folder = Path(folder)
        if split not in get_args(Split):
            raise NhotError(f"Split must be one of {', '.join(get_args(Split))}, not {split!r}")
        self.features = LogMel() if features is None else features
        kinds = CLASSES if split == "test" else CLASSES[:1]
        self.files = [
            (path, label) for label, kind in enumerate(kinds)
            for path in sorted((folder / split).glob(f"{kind}_id_*.wav"))
        ]
        if not self.files:
            refuse(folder, EXPECTED)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Floats, int]:
        path, label = self.files[index]
        vectors = self.features(read_wav(read_file(path), str(path), self.features.rate))
        if not len(vectors):
            raise NhotError(f"Sound {str(path)!r} must be long enough for {self.features.frames} "
                            f"frames from frame {self.features.part[0]} on")
        return vectors, label


def is_toyadmos(folder: Path) -> bool:
    """Whether there are normal sounds to train on."""
    return any((folder / "train").glob("normal_id_*.wav"))


def open_toyadmos(folder: str | Path, *, features: LogMel | None = None) -> Splits:
    """Both splits of a machine's folder."""
    train, test = (ToyAdmos(folder, split, features=features) for split in get_args(Split))
    return Splits(train=train, test=test, classes=CLASSES)
