"""Random changes to batches of images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from nhot.errors import NhotError
from nhot.experiments.training.batches import Batch

__all__ = ["CropFlip"]


@dataclass(frozen=True)
class CropFlip:
    """Shift each image by up to ``padding`` pixels, and mirror half of them left to right.

    The usual augmentation of small images (32 x 32): zeros around, then a random crop of the old
    size. Only the first tensor of a batch is changed, which must be (batch, channels, height,
    width); the others, as labels, do not depend on it.

    Parameters
    ----------
    padding : int
    flip : bool
    """

    padding: int = 4
    flip: bool = True

    def __post_init__(self) -> None:
        if self.padding < 0:
            raise NhotError(f"Padding must be at least 0, not {self.padding}")

    def __call__(self, batch: Batch, generator: torch.Generator) -> Batch:
        """A batch of the same shapes."""
        images = batch[0]
        if images.dim() != 4:
            raise NhotError("Images must have shape (batch, channels, height, width), "
                            f"not {tuple(images.shape)}")
        count, _, height, width = images.shape
        top, left = torch.randint(2 * self.padding + 1, (2, count, 1), generator=generator)
        rows = top + torch.arange(height)
        columns = left + torch.arange(width)
        if self.flip:
            mirrored = torch.rand(count, 1, generator=generator) < 0.5
            columns = torch.where(mirrored, columns.flip(1), columns)
        # One gather for all images, pixels first: indexing moves whole pixels.
        padded = F.pad(images, [self.padding] * 4).permute(0, 2, 3, 1)
        sample = torch.arange(count)[:, None, None]
        moved = padded[sample, rows[:, :, None], columns[:, None, :]]
        return (moved.permute(0, 3, 1, 2), *batch[1:])
