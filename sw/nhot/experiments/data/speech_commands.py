"""Speech Commands (Warden, 2018): spoken words of one second, for the task of twelve classes.

The task, that of MLPerf Tiny, is to tell ten words apart, from all other words, *unknown*, and from
noise without words, *silence*.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

from nhot.errors import NhotError
from nhot.experiments.data.audio import Mfcc, read_wav
from nhot.experiments.data.checks import read_file, refuse
from nhot.experiments.data.dataset import Floats
from nhot.experiments.data.samples import Splits

__all__ = [
    "CLASSES", "EXPECTED", "SpeechCommands", "is_speech_commands", "open_speech_commands",
]

WORDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")
SILENCE, UNKNOWN = len(WORDS), len(WORDS) + 1
CLASSES = (*WORDS, "silence", "unknown")
"""In the order of labels, which is that of the models that MLPerf Tiny publishes."""

NOISE = "_background_noise_"
LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
EXPECTED = (
    "Speech Commands (WORD/*.wav, one folder for each word, with validation_list.txt, "
    f"testing_list.txt and {NOISE}/*.wav)"
)
Split = Literal["train", "validation", "test"]

NOISE_PARTS = {"train": (0.0, 0.8), "validation": (0.8, 0.9), "test": (0.9, 1.0)}
"""What part of each recording of noise a split takes its silence from."""


class Clip(NamedTuple):
    """A file, from which sample on it is heard, and how loud (1: as it is)."""

    path: Path
    label: int
    start: int = 0
    volume: float = 1.0


class SpeechCommands:
    """One split of the recordings; a sample is (features, label).

    The two lists name the files of validation and test; all others are to train on. Every file of
    the ten words is taken. Of other words as many are chosen at random as there are files of a word
    on average, and as many seconds of noise, at a random volume up to 1, make silence; so the
    official test set is balanced, too. Splits take their noise from different stretches of the
    recordings. Nothing is mixed into words and nothing is shifted.

    Parameters
    ----------
    folder : path
    split : {"train", "validation", "test"}
    features : callable
        From samples of one second to the array that the network sees.
    seed : int
        Of the choice of unknown words and of silence.
    """

    classes = CLASSES

    def __init__(
        self, folder: str | Path, split: Split, *, features: Mfcc | None = None, seed: int = 0
    ) -> None:
        folder = Path(folder)
        if split not in get_args(Split):
            raise NhotError(f"Split must be one of {', '.join(get_args(Split))}, not {split!r}")
        if not is_speech_commands(folder):
            refuse(folder, EXPECTED)
        self.features = Mfcc() if features is None else features
        files = _files(folder, split)
        clips = [Clip(path, WORDS.index(word)) for path, word in files if word in WORDS]
        if not clips:
            raise NhotError(f"Data {str(folder)!r} must have files of the words "
                            f"{', '.join(WORDS)} in the split {split!r}")
        others = [path for path, word in files if word not in WORDS]
        rng = np.random.default_rng(seed)
        count = max(1, len(clips) // len(WORDS))
        chosen = sorted(rng.permutation(len(others))[:count])
        clips += [Clip(others[place], UNKNOWN) for place in chosen]
        clips += _silence(folder / NOISE, split, count, self.features.rate, rng)
        self.clips = clips

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> tuple[Floats, int]:
        clip = self.clips[index]
        rate = self.features.rate
        samples = read_wav(read_file(clip.path), str(clip.path), rate)
        part = samples[clip.start:clip.start + rate] * np.float32(clip.volume)
        return self.features(part), clip.label


def is_speech_commands(folder: Path) -> bool:
    """Whether ``folder`` has the two lists and the noise of Speech Commands."""
    return (folder / NOISE).is_dir() and all((folder / name).is_file() for name in LISTS.values())


def open_speech_commands(
    folder: str | Path, *, features: Mfcc | None = None, seed: int = 0
) -> Splits:
    """The three splits; parameters are those of :class:`SpeechCommands`."""
    train, validation, test = (
        SpeechCommands(folder, split, features=features, seed=seed) for split in get_args(Split)
    )
    return Splits(train=train, validation=validation, test=test, classes=CLASSES)


def _files(folder: Path, split: Split) -> list[tuple[Path, str]]:
    """Files of a split with their words, sorted."""
    listed = {name: _listed(folder / file) for name, file in LISTS.items()}
    if split in listed:
        names = listed[split]
        for name in names:
            if not (folder / name).is_file():
                raise NhotError(f"File {name!r} of {LISTS[split]} must be in {str(folder)!r}, "
                                "and is not")
    else:
        held_out = set().union(*listed.values())
        paths = (path for path in folder.glob("*/*.wav") if path.parent.name != NOISE)
        every = {f"{path.parent.name}/{path.name}" for path in paths}
        names = sorted(every - held_out)
    return [(folder / name, name.partition("/")[0]) for name in names]


def _listed(path: Path) -> list[str]:
    lines = read_file(path).decode(errors="replace").splitlines()
    return sorted(line.strip() for line in lines if line.strip())


def _silence(
    folder: Path, split: Split, count: int, rate: int, rng: np.random.Generator
) -> list[Clip]:
    """Clips of noise, from this split's part of recordings chosen at random."""
    recordings = sorted(folder.glob("*.wav"))
    lengths = {path: len(read_wav(read_file(path), str(path), rate)) for path in recordings}
    low, high = NOISE_PARTS[split]
    places = {
        path: (int(low * length), int(high * length) - rate) for path, length in lengths.items()
    }
    paths = [path for path, (first, last) in places.items() if last >= first]
    if not paths:
        refuse(folder, f"a folder of noise, one *.wav at least {10 * rate} samples long")
    return [
        Clip(path, SILENCE, int(rng.integers(*places[path], endpoint=True)), float(rng.random()))
        for path in (paths[place] for place in rng.integers(len(paths), size=count))
    ]
