"""Photographs of red and green discs, as a data set in the layout of COCO."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["CLASSES", "draw", "write_discs"]

CLASSES = ("red", "green")

Box = list[int]


def draw(
    rng: np.random.Generator, height: int, width: int
) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], list[Box], list[int]]:
    """Two or three discs on grey, apart from each other: pixels, boxes and labels."""
    pixels = np.full((height, width, 3), 120, np.uint8)
    y, x = np.ogrid[:height, :width]
    boxes, labels = [], []
    for place in range(rng.integers(2, 4)):
        radius = int(rng.integers(height // 10, height // 6))
        centre_x = int((place + 0.5) * width / 3)
        centre_y = int(rng.integers(radius, height - radius))
        label = int(rng.integers(2))
        inside = (x + 0.5 - centre_x) ** 2 + (y + 0.5 - centre_y) ** 2 < radius**2
        pixels[inside] = (230, 40, 40) if label == 0 else (40, 230, 40)
        boxes.append([centre_x - radius, centre_y - radius, 2 * radius, 2 * radius])
        labels.append(label)
    return pixels, boxes, labels


def write_discs(folder: Path, **splits: int) -> Path:
    """Write ``folder``, with so many photographs of 256 x 192 pixels in each split."""
    from PIL import Image

    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    for split, count in splits.items():
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for image in range(count):
            pixels, boxes, labels = draw(rng, 192, 256)
            name = f"{split}{image}.png"
            Image.fromarray(pixels).save(folder / "images" / name)
            images.append({"id": image, "file_name": name, "width": 256, "height": 192})
            annotations += [
                {"id": len(annotations) + 1 + place, "image_id": image, "bbox": box,
                 "category_id": label, "iscrowd": 0}
                for place, (box, label) in enumerate(zip(boxes, labels, strict=True))
            ]
        (folder / f"{split}.json").write_text(json.dumps({
            "images": images, "annotations": annotations,
            "categories": [{"id": label, "name": name} for label, name in enumerate(CLASSES)],
        }), encoding="utf-8")
    return folder
