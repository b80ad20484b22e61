"""Objects in photographs, annotated as the instances of COCO (Lin et al., 2014) are.

The annotation file is described at https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.experiments.data.checks import read_file, refuse
from nhot.experiments.data.coco_file import AnnotatedImage, Annotations, read_annotations
from nhot.experiments.data.dataset import Floats
from nhot.experiments.data.images import Pixels, Size, as_size, decode, to_floats
from nhot.formats.format import Ints
from nhot.zips import BROKEN_ZIP

__all__ = ["Coco", "Objects", "Scene"]

CACHE_BYTES = 1 << 29
"""Images are kept in memory when all of them together are no more than this."""


class Objects(NamedTuple):
    """What there is in one image.

    ``boxes`` is (objects, 4) float32, each x, y, width and height in pixels from the top left
    corner; ``labels`` (objects,) int64; ``crowd`` (objects,) bool marks boxes around many objects,
    which are not trained on and count neither as found nor as missed.
    """

    boxes: Floats
    labels: Ints
    crowd: NDArray[np.bool_]


class Scene(NamedTuple):
    """An image (3, height, width) float32 from 0 to 1, with its objects that are no crowds."""

    image: Floats
    boxes: Floats
    labels: Ints


class Coco:
    """Images with boxes around objects; a sample is a :class:`Scene`.

    Images are stretched to ``size``, boxes with them. What reaches beyond the image is cut off a
    box; boxes of which nothing is left, or without width or height, are left out and counted in
    ``left_out``.

    Parameters
    ----------
    annotations : path
        A JSON file with ``images``, ``annotations`` and ``categories``.
    images : path
        Folder or zip file of the images; in a zip file, they may lie in a folder. Each is read
        from it once where all images fit in 512 MiB as bytes, and again and again otherwise.
    size : int or (height, width)
        Of the network's input.

    Attributes
    ----------
    classes : tuple of str
        Names of the categories in the order of their ids; labels are places among them.
    objects : list of Objects
        Of each image, in pixels of ``size``.
    names : list of str
        File of each image.
    """

    def __init__(self, annotations: str | Path, images: str | Path, *, size: Size) -> None:
        self.size = as_size(size)
        self.path = Path(annotations)
        content = read_annotations(self.path)
        categories = sorted(content.categories, key=lambda one: one.id)
        self.classes = tuple(one.name for one in categories)
        self.names = [image.file_name for image in content.images]
        self._sizes = [(image.width, image.height) for image in content.images]
        self._files = _Files(Path(images))
        for name in self.names:
            self._files.check(name)
        self.left_out = 0
        labels = {one.id: label for label, one in enumerate(categories)}
        self.objects = self._read_objects(content, labels)
        height, width = self.size
        self._cached = len(self) * 3 * height * width <= CACHE_BYTES
        self._cache: dict[int, Pixels] = {}

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Scene:
        objects = self.objects[index]
        single = ~objects.crowd
        return Scene(to_floats(self._pixels(index)), objects.boxes[single], objects.labels[single])

    def _pixels(self, index: int) -> Pixels:
        index %= len(self)
        if index in self._cache:
            return self._cache[index]
        name = self.names[index]
        pixels, (height, width) = decode(self._files.read(name), name, self.size, "stretch")
        expected = self._sizes[index]
        if (width, height) != expected:
            raise NhotError(f"Image {name!r} must be {expected[0]} x {expected[1]} as in "
                            f"{str(self.path)!r}, not {width} x {height}")
        if self._cached:
            self._cache[index] = pixels
        return pixels

    def _read_objects(self, content: Annotations, labels: dict[int, int]) -> list[Objects]:
        images = {image.id: image for image in content.images}
        found: dict[int, list[tuple[list[float], int, bool]]] = {key: [] for key in images}
        for one in content.annotations:
            box = self._scale(one.bbox, images[one.image_id])
            if box is None:
                self.left_out += 1
                continue
            found[one.image_id].append((box, labels[one.category_id], bool(one.iscrowd)))
        return [_objects(entries) for entries in found.values()]

    def _scale(
        self, box: tuple[float, float, float, float], image: AnnotatedImage
    ) -> list[float] | None:
        """A box in pixels of the network's input, cut at the image's edges; None: nothing left."""
        left, right = max(box[0], 0), min(box[0] + box[2], image.width)
        top, bottom = max(box[1], 0), min(box[1] + box[3], image.height)
        if right <= left or bottom <= top:
            return None
        across, down = self.size[1] / image.width, self.size[0] / image.height
        return [left * across, top * down, (right - left) * across, (bottom - top) * down]


class _Files:
    """Files of a folder or of a zip file, by name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.members: dict[str, str] | None = None
        if path.is_dir():
            return
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        except BROKEN_ZIP:
            refuse(path, "a folder or a zip file of images")
        self.members = {Path(name).name: name for name in names} | {name: name for name in names}

    def check(self, name: str) -> None:
        """Refuse a name that is not there."""
        there = (self.path / name).is_file() if self.members is None else name in self.members
        if not there:
            raise NhotError(f"Image {name!r} must be in {str(self.path)!r}, and is not")

    def read(self, name: str) -> bytes:
        if self.members is None:
            return read_file(self.path / name)
        # Opened for each image: processes that load side by side must not share a file's position.
        try:
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(self.members[name])
        except BROKEN_ZIP as error:
            raise NhotError(f"Image {name!r} of {str(self.path)!r} could not be read: {error}"
                            ) from None


def _objects(entries: list[tuple[list[float], int, bool]]) -> Objects:
    return Objects(
        np.array([box for box, _, _ in entries], np.float32).reshape(-1, 4),
        np.array([label for _, label, _ in entries], np.int64),
        np.array([crowd for _, _, crowd in entries], np.bool_),
    )
