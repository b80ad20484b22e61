"""The splits of a folder of annotations and images, as COCO is published or as one keeps one's own.

=====================================  ===========================================
annotations                            their images
=====================================  ===========================================
``annotations/instances_STEM.json``    ``STEM/``, ``STEM.zip``, ``images/STEM/``,
``annotations/STEM.json``              ``images/``, ``images.zip``: the first of
``STEM.json``                          these that is there
=====================================  ===========================================

STEM is, or begins with, ``train``, ``val`` or ``test``; that of COCO itself is ``train2017``.
"""

from __future__ import annotations

from pathlib import Path

from nhot.errors import NhotError
from nhot.experiments.data.checks import refuse
from nhot.experiments.data.coco import Coco
from nhot.experiments.data.images import Size
from nhot.experiments.data.samples import Splits

__all__ = ["EXPECTED", "is_coco", "open_coco"]

EXPECTED = (
    "COCO instances (annotations/instances_train2017.json with train2017/, "
    "or train.json with images/ or images.zip; val and test likewise)"
)
ANNOTATIONS = ("annotations/instances_{}*.json", "annotations/{}*.json", "{}*.json")
IMAGES = ("{}", "{}.zip", "images/{}", "images", "images.zip")


def is_coco(folder: Path) -> bool:
    """Whether there are annotations to train on, and images to them."""
    annotations = _annotations(folder, "train")
    return annotations is not None and _images(folder, annotations) is not None


def open_coco(folder: str | Path, *, size: Size) -> Splits:
    """The splits ``train``, ``validation`` and ``test``; each is a :class:`Coco`.

    ``size`` is that of the network's input, (height, width) or one number for both.
    """
    folder = Path(folder)
    splits = {}
    for split, stem in (("train", "train"), ("validation", "val"), ("test", "test")):
        annotations = _annotations(folder, stem)
        if annotations is None:
            continue
        images = _images(folder, annotations)
        if images is None:
            refuse(folder, f"a folder with the images of {annotations.name!r}, images/ for one")
        splits[split] = Coco(annotations, images, size=size)
    if "train" not in splits:
        refuse(folder, EXPECTED)
    classes = splits["train"].classes
    for coco in splits.values():
        if coco.classes != classes:
            raise NhotError(f"Categories of {str(coco.path)!r} must be those of the train split, "
                            f"{', '.join(classes)}, not {', '.join(coco.classes)}")
    return Splits(**splits, classes=classes, input_range=(0.0, 1.0))


def _annotations(folder: Path, stem: str) -> Path | None:
    for pattern in ANNOTATIONS:
        found = sorted(folder.glob(pattern.format(stem)))
        if found:
            return found[0]
    return None


def _images(folder: Path, annotations: Path) -> Path | None:
    stem = annotations.stem.removeprefix("instances_")
    places = [folder / pattern.format(stem) for pattern in IMAGES]
    return next((place for place in places if place.exists()), None)
