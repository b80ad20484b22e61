"""Photographs to arrays: decoded, and brought to the size of a network's input."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nhot.errors import MissingToolError, NhotError
from nhot.experiments.data.dataset import Floats

__all__ = ["Pixels", "Size", "as_size", "decode", "to_floats"]

MOST_SIDE = 1 << 14  # an image of that size has 768 MiB
Pixels = NDArray[np.uint8]
Size = int | tuple[int, int]
"""(height, width), or one number for both."""


def as_size(size: Size) -> tuple[int, int]:
    """Height and width of ``size``, checked."""
    height, width = (size, size) if isinstance(size, int) else size
    if not (1 <= height <= MOST_SIDE and 1 <= width <= MOST_SIDE):
        raise NhotError(f"Size of images must be 1 x 1 to {MOST_SIDE} x {MOST_SIDE}, "
                        f"not {height} x {width}")
    return height, width


def decode(
    content: bytes, name: str, size: tuple[int, int], fit: Literal["crop", "stretch"]
) -> tuple[Pixels, tuple[int, int]]:
    """Decode an image file to (3, height, width) bytes of red, green and blue.

    Parameters
    ----------
    content : bytes
        The file: JPEG, PNG or what else Pillow knows. Grey becomes three equal channels.
    name : str
        What errors call it.
    size : (height, width)
    fit : {"crop", "stretch"}
        ``crop`` scales until ``size`` is covered and keeps the middle; ``stretch`` scales both
        axes by themselves and keeps everything. Both interpolate bilinearly with antialiasing.

    Returns
    -------
    The pixels, and the (height, width) that the file had.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise MissingToolError(
            "Images need the package Pillow; run: pip install 'nhot[data]'"
        ) from None
    height, width = size
    bilinear = Image.Resampling.BILINEAR
    try:
        with Image.open(io.BytesIO(content)) as opened:
            image = opened.convert("RGB")
    except Exception as error:  # decoders raise what a damaged file makes them stumble over
        text = " ".join(str(error).split())
        raise NhotError(f"Image {name!r} must be a whole image file: {text}") from None
    original = image.height, image.width
    if fit == "crop":
        image = ImageOps.fit(image, (width, height), bilinear)
    else:
        image = image.resize((width, height), bilinear)
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1)), original


def to_floats(pixels: Pixels) -> Floats:
    """Bytes 0 to 255 as float32 from 0 to 1."""
    return np.divide(pixels, np.float32(255), dtype=np.float32)
