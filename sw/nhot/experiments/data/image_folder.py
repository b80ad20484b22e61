"""Photographs in one folder for each class, the layout of ImageNet and of most own data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nhot.errors import MissingToolError, NhotError
from nhot.experiments.data.checks import read_file, refuse
from nhot.experiments.data.dataset import Floats
from nhot.experiments.data.images import Size, as_size, decode, to_floats
from nhot.experiments.data.samples import Splits

__all__ = ["EXPECTED", "ImageFolder", "is_image_folder", "open_image_folder"]

EXPECTED = (
    "an image folder (CLASS/*.jpg or *.png, one folder for each class, by themselves or under "
    "train/ and val/ or test/)"
)
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
HELD_OUT = {"validation": ("val", "validation"), "test": ("test",)}
"""Folders that are other splits, where there is a folder ``train``."""


class ImageFolder:
    """Images ``CLASS/**/NAME.jpg`` of a folder, decoded when they are asked for.

    A sample is (image, label): the image (3, height, width) float32 from 0 to 1, scaled until it
    covers ``size`` and cropped to its middle; the label is the place of the class among
    ``classes``. Samples are in the order of classes and, within these, of paths.

    Parameters
    ----------
    root : path
        Files beside the folders of classes, and names that start with a dot, are passed over.
    size : int or (height, width)
    classes : sequence of str, optional
        Classes in the order of labels, of which there need not be a folder for each; by default
        the names of all folders, sorted.
    skip_damaged : bool
        Decode every image once at the start and leave out those that cannot be, listed in
        ``skipped``. Otherwise a damaged image raises :class:`NhotError` when its turn comes.
    """

    def __init__(
        self, root: str | Path, *, size: Size, classes: Sequence[str] | None = None,
        skip_damaged: bool = False,
    ) -> None:
        self.size = as_size(size)
        root = Path(root)
        found = _class_folders(root)
        if not found:
            refuse(root, EXPECTED)
        self.classes = tuple(found if classes is None else classes)
        self.files: list[tuple[Path, int]] = []
        self.skipped: tuple[Path, ...] = ()
        for name in found:
            if name not in self.classes:
                raise NhotError(f"Folder {str(root / name)!r} must be one of the classes "
                                f"{', '.join(self.classes)}")
            images = _images(root / name)
            if not images:
                refuse(root / name, "a folder of images, *.jpg or *.png")
            self.files += [(path, self.classes.index(name)) for path in images]
        if skip_damaged:
            self._skip_damaged()

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Floats, int]:
        path, label = self.files[index]
        pixels, _ = decode(read_file(path), str(path), self.size, "crop")
        return to_floats(pixels), label

    def _skip_damaged(self) -> None:
        whole = [_is_whole(path) for path, _ in self.files]
        pairs = list(zip(self.files, whole, strict=True))
        self.skipped = tuple(path for (path, _), good in pairs if not good)
        self.files = [pair for pair, good in pairs if good]


def is_image_folder(folder: Path) -> bool:
    """Whether some folder in ``folder``, or in ``folder/train``, has an image.

    It looks no more than one folder deeper: whoever names a whole disk is not to wait for it.
    """
    root = folder / "train" if (folder / "train").is_dir() else folder
    return any(_has_image(root / name) for name in _class_folders(root))


def open_image_folder(folder: str | Path, *, size: Size, skip_damaged: bool = False) -> Splits:
    """The splits ``train/``, ``val/`` and ``test/`` of a folder, or all of it as ``train``.

    The folders under ``train/`` say what the classes are; there must not be others elsewhere.
    """
    folder = Path(folder)
    if not (folder / "train").is_dir():
        train = ImageFolder(folder, size=size, skip_damaged=skip_damaged)
        return Splits(train=train, classes=train.classes, input_range=(0.0, 1.0))
    train = ImageFolder(folder / "train", size=size, skip_damaged=skip_damaged)
    others = {
        split: ImageFolder(folder / name, size=size, classes=train.classes,
                           skip_damaged=skip_damaged)
        for split, names in HELD_OUT.items() for name in names if (folder / name).is_dir()
    }
    return Splits(train=train, classes=train.classes, input_range=(0.0, 1.0), **others)


def _class_folders(root: Path) -> list[str]:
    if not root.is_dir():
        return []
    return sorted(
        path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


def _images(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )


def _is_whole(path: Path) -> bool:
    content = read_file(path)
    try:
        decode(content, str(path), (1, 1), "stretch")
    except MissingToolError:
        raise
    except NhotError:
        return False
    return True


def _has_image(folder: Path) -> bool:
    return any(
        path.suffix.lower() in SUFFIXES for pattern in ("*", "*/*") for path in folder.glob(pattern)
    )
