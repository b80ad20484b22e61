"""CIFAR-10: 60,000 photographs of 32 x 32 pixels in ten classes, in both of its official layouts.

The layouts are those of https://www.cs.toronto.edu/~kriz/cifar.html, "binary version" and "Python
version". Both hold five files of 10,000 samples to train on and one to test with.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.experiments.data import pickles
from nhot.experiments.data.checks import read_file, refuse
from nhot.experiments.data.dataset import Dataset, Floats
from nhot.formats.format import Ints

__all__ = ["CLASSES", "EXPECTED", "find_cifar10", "load_cifar10"]

CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)
EXPECTED = (
    "CIFAR-10 (cifar-10-batches-bin/ with data_batch_1.bin to data_batch_5.bin and test_batch.bin, "
    "or cifar-10-batches-py/ with data_batch_1 to data_batch_5 and test_batch)"
)
SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32
SAMPLES = 10_000
"""In each file."""

TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST = "test_batch"
FOLDERS = {".bin": "cifar-10-batches-bin", "": "cifar-10-batches-py"}
"""By how the names of data files end."""

Bytes = NDArray[np.uint8]


def load_cifar10(folder: str | Path) -> Dataset:
    """CIFAR-10 from the folder of its files, or from the folder that this one lies in.

    Samples are (3, 32, 32) float32, red, green and blue in steps of 1/255 from 0 to 1; labels
    index :data:`CLASSES`. The original files hold 50,000 samples to train on and 10,000 to test
    with. Raises :class:`NhotError` with the name of a file that is missing, short or damaged.
    """
    folder = Path(folder)
    found = find_cifar10(folder)
    if found is None:
        refuse(folder, EXPECTED)
    names = [*TRAIN, TEST]
    suffix = ".bin" if any((found / f"{name}.bin").exists() for name in names) else ""
    read = _read_binary if suffix else _read_pickle
    train_x, train_y = _join([found / f"{name}{suffix}" for name in TRAIN], read)
    test_x, test_y = _join([found / f"{TEST}{suffix}"], read)
    return Dataset(
        train_x=train_x, train_y=train_y, test_x=test_x, test_y=test_y,
        input_range=(0.0, 1.0), classes=CLASSES,
    )


def find_cifar10(folder: Path) -> Path | None:
    """Where in ``folder`` the files of CIFAR-10 lie, or the first of them; None: nowhere."""
    for place in (folder, *(folder / name for name in FOLDERS.values())):
        for name in (*TRAIN, TEST):
            if any((place / f"{name}{suffix}").is_file() for suffix in FOLDERS):
                return place
    return None


def _join(paths: list[Path], read: Callable[[Path], tuple[Bytes, Bytes]]) -> tuple[Floats, Ints]:
    """The samples of some files; only one file at a time is in memory besides them."""
    x = np.empty((len(paths) * SAMPLES, *SHAPE), np.float32)
    y = np.empty(len(x), np.int64)
    for number, path in enumerate(paths):
        part = slice(number * SAMPLES, (number + 1) * SAMPLES)
        pixels, labels = read(path)
        if labels.max() >= len(CLASSES):
            raise NhotError(
                f"Labels in {str(path)!r} must be 0 to {len(CLASSES) - 1}, not {labels.max()}"
            )
        np.divide(pixels.reshape(-1, *SHAPE), np.float32(255), out=x[part])
        y[part] = labels
    return x, y


def _read_binary(path: Path) -> tuple[Bytes, Bytes]:
    """Records of one label and 1,024 red, 1,024 green and 1,024 blue pixels, row by row."""
    content = read_file(path)
    expected = SAMPLES * (1 + PIXELS)
    if len(content) != expected:
        raise NhotError(
            f"Data file {str(path)!r} must have {expected:,} bytes, not {len(content):,}"
        )
    records = np.frombuffer(content, np.uint8).reshape(SAMPLES, 1 + PIXELS)
    return records[:, 1:], records[:, 0]


def _read_pickle(path: Path) -> tuple[Bytes, Bytes]:
    """A dict of ``labels``, a list, and ``data``, rows of pixels in the same order."""
    content = read_file(path)
    if len(content) < SAMPLES * PIXELS:
        raise NhotError(
            f"Data file {str(path)!r} must have at least {SAMPLES * PIXELS:,} bytes, "
            f"not {len(content):,}"
        )
    batch = pickles.loads(content, str(path))
    entries = batch if isinstance(batch, dict) else {}
    # Python 2 wrote the keys as bytes.
    pixels, labels = (entries.get(key, entries.get(key.encode())) for key in ("data", "labels"))
    if not isinstance(pixels, np.ndarray) or pixels.shape != (SAMPLES, PIXELS):
        raise NhotError(f"Pickle {str(path)!r} must hold 'data' of {SAMPLES:,} x {PIXELS:,} bytes")
    if not isinstance(labels, list) or len(labels) != SAMPLES or not all(
        isinstance(label, int) and 0 <= label <= 255 for label in labels
    ):
        raise NhotError(f"Pickle {str(path)!r} must hold {SAMPLES:,} 'labels' from 0 to 9")
    return pixels, np.array(labels, np.uint8)
