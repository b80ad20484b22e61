"""The annotation file of COCO, as far as it is used here: https://cocodataset.org/#format-data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nhot.errors import NhotError
from nhot.experiments.data.checks import seen
from nhot.schema import read_json

__all__ = ["AnnotatedImage", "Annotation", "Annotations", "Category", "read_annotations"]

FARTHEST = 1e9
"""No box of a photograph begins or ends beyond, and no photograph is larger."""

_MOST_BYTES = 1 << 33  # the published files have half a gigabyte


@dataclass(frozen=True, kw_only=True, slots=True)
class AnnotatedImage:
    """An image, in pixels."""

    id: int
    file_name: str
    width: int
    height: int

    def __post_init__(self) -> None:
        for what in ("width", "height"):
            if not 1 <= getattr(self, what) <= FARTHEST:
                raise NhotError(f"Image {self.file_name!r} {what} must be 1 to {FARTHEST:g}, "
                                f"not {getattr(self, what)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Category:
    """What an object is."""

    id: int
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotation:
    """An object; ``bbox`` is x, y, width and height in pixels from the top left corner."""

    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    id: int | str | None = None
    iscrowd: int | bool = 0

    def __post_init__(self) -> None:
        for value in self.bbox:
            if not abs(value) < FARTHEST:
                raise NhotError(f"Annotation {self.id!r} bbox must be of numbers within "
                                f"{FARTHEST:g}, not {value!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotations:
    """An annotation file; every image and category that is spoken of is there, and once."""

    images: tuple[AnnotatedImage, ...]
    categories: tuple[Category, ...]
    annotations: tuple[Annotation, ...]

    def __post_init__(self) -> None:
        if not self.categories:
            raise NhotError("Categories must be at least one, not none")
        images = _distinct("images", (one.id for one in self.images))
        categories = _distinct("categories", (one.id for one in self.categories))
        for one in self.annotations:
            if one.image_id not in images:
                raise NhotError(f"Annotation {one.id!r} must be of an image in the file, "
                                f"not {one.image_id}")
            if one.category_id not in categories:
                raise NhotError(f"Annotation {one.id!r} must be of a category in the file, "
                                f"not {one.category_id}")


def read_annotations(path: Path) -> Annotations:
    """The annotations in a file; what is not used here is not looked at."""
    if not path.exists():
        raise NhotError(f"Data file {str(path)!r} must exist; there is {seen(path.parent)}")
    return read_json(Annotations, path, "Annotations", unknown="ignore", most_bytes=_MOST_BYTES)


def _distinct(what: str, ids: Iterable[int]) -> set[int]:
    found: set[int] = set()
    for one in ids:
        if one in found:
            raise NhotError(f"Ids of {what} must differ, not {one} twice")
        found.add(one)
    return found
