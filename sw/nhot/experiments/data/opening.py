"""Data sets by what their folders look like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nhot.errors import NhotError
from nhot.experiments.data import (
    arrays,
    cifar10,
    coco_splits,
    image_folder,
    speech_commands,
    toyadmos,
)
from nhot.experiments.data.arrays import load_npz
from nhot.experiments.data.checks import refuse
from nhot.experiments.data.cifar10 import find_cifar10, load_cifar10
from nhot.experiments.data.coco import Coco
from nhot.experiments.data.dataset import Floats
from nhot.experiments.data.images import Size
from nhot.experiments.data.samples import Arrays, Samples, Splits, stack
from nhot.formats.format import Ints

__all__ = ["LAYOUTS", "load_arrays", "open_data"]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a data set lies in its folder.

    Parameters
    ----------
    expected : str
        What the folder holds, for errors.
    fits : callable
        Whether a path looks like this layout; its files need not be complete for that.
    open : callable
        From a path to its splits.
    sized : bool
        Whether images have any size, so that ``open`` takes the one to bring them to.
    """

    expected: str
    fits: Callable[[Path], bool]
    open: Callable[..., Splits]
    sized: bool = False


def open_data(path: str | Path, *, layout: str | None = None, size: Size | None = None) -> Splits:
    """The splits of the data set at ``path``, in whatever layout of :data:`LAYOUTS` it is.

    Parameters
    ----------
    path : path
        A folder as its publisher's archive has it, or an npz file.
    layout : str, optional
        Name of the layout; otherwise it is recognised.
    size : int or (height, width), optional
        Input of the network, where the images have no size in common.
    """
    path = Path(path)
    if not path.exists():
        raise NhotError(f"Data {str(path)!r} must exist, and does not")
    chosen = _recognise(path) if layout is None else layout
    if chosen not in LAYOUTS:
        raise NhotError(f"Layout must be one of {', '.join(LAYOUTS)}, not {chosen!r}")
    found = LAYOUTS[chosen]
    if not found.sized:
        _check_unsized(chosen, size)
        return found.open(path)
    if size is None:
        raise NhotError(f"Size must be given for the images of {str(path)!r}: height and width of "
                        "the network's input")
    return found.open(path, size=size)


def load_arrays(
    path: str | Path, *, split: str = "train", size: Size | None = None, most: int | None = None
) -> tuple[Floats, Ints | None]:
    """One split of a data set in memory: samples, and labels if there is one for each.

    Each vector of ToyADMOS is a sample, labelled as its recording is.

    Parameters
    ----------
    path, size
        As for :func:`open_data`. An npz file has one split, ``train``, and need not have labels.
    split : {"train", "validation", "test"}
    most : int, optional
        So many samples at most, or recordings of ToyADMOS, evenly spread over the split.
    """
    if _is_npz(Path(path)):
        _check_unsized("npz", size)
        x, y = load_npz(path)
        samples: Samples[Any] = Arrays(x, np.zeros(len(x), np.int64) if y is None else y)
        loaded = stack(Splits(train=samples).split(split), most)
        return loaded.x, None if y is None else loaded.y
    samples = open_data(path, size=size).split(split)
    if isinstance(samples, Coco):
        return stack(_Images(samples), most).x, None
    loaded = stack(samples, most)
    if isinstance(samples, toyadmos.ToyAdmos):
        vectors = loaded.x.shape[1]
        return loaded.x.reshape(-1, loaded.x.shape[2]), loaded.y.repeat(vectors)
    return loaded.x, loaded.y


def _check_unsized(layout: str, size: Size | None) -> None:
    if size is not None:
        raise NhotError(f"Size must not be given for {layout}, whose samples have a size of "
                        f"their own, not {size}")


class _Images:
    """Annotated images without what is in them."""

    def __init__(self, scenes: Coco) -> None:
        self.scenes = scenes

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> tuple[Floats, int]:
        return self.scenes[index].image, 0


def _recognise(path: Path) -> str:
    for name, layout in LAYOUTS.items():
        if layout.fits(path):
            return name
    return refuse(path, "; or ".join(layout.expected for layout in LAYOUTS.values()))


def _is_npz(path: Path) -> bool:
    return path.is_file()


def _open_npz(path: Path) -> Splits:
    x, y = load_npz(path)
    if y is None:
        raise NhotError(f"Data {path} must have an array y of labels besides x")
    return Splits(train=Arrays(x, y))


def _open_cifar10(path: Path) -> Splits:
    data = load_cifar10(path)
    return Splits(
        train=Arrays(data.train_x, data.train_y), test=Arrays(data.test_x, data.test_y),
        classes=data.classes, input_range=data.input_range,
    )


LAYOUTS = {
    "npz": Layout(expected=arrays.EXPECTED, fits=_is_npz, open=_open_npz),
    "cifar10": Layout(
        expected=cifar10.EXPECTED, fits=lambda path: find_cifar10(path) is not None,
        open=_open_cifar10,
    ),
    "speech-commands": Layout(
        expected=speech_commands.EXPECTED, fits=speech_commands.is_speech_commands,
        open=speech_commands.open_speech_commands,
    ),
    "toyadmos": Layout(
        expected=toyadmos.EXPECTED, fits=toyadmos.is_toyadmos, open=toyadmos.open_toyadmos
    ),
    "coco": Layout(
        expected=coco_splits.EXPECTED, fits=coco_splits.is_coco, open=coco_splits.open_coco,
        sized=True,
    ),
    # The last one, since the images of COCO lie in a folder, too.
    "image-folder": Layout(
        expected=image_folder.EXPECTED, fits=image_folder.is_image_folder,
        open=image_folder.open_image_folder, sized=True,
    ),
}
"""By name."""
