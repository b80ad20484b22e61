"""Detection: photographs and their boxes in memory, random changes to them, loss and measure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nhot.errors import NhotError
from nhot.experiments.data.coco import Coco, Objects
from nhot.experiments.data.coco_folds import Scenes
from nhot.experiments.data.coco_metrics import Detections, Metrics, coco_metrics
from nhot.experiments.data.coco_resampled import drawn, resampled_precision
from nhot.experiments.data.dataset import Floats
from nhot.experiments.models.centernet import decode, targets
from nhot.experiments.models.centernet.decode import BATCH, THRESHOLD
from nhot.experiments.models.centernet.loss import detection_loss
from nhot.experiments.training.batches import Batch
from nhot.experiments.training.environment import device_of
from nhot.experiments.training.metrics import in_order
from nhot.formats.format import Ints

__all__ = ["NONE", "CentreLoss", "Jitter", "Precision", "in_memory"]

NONE = -1
"""Label of a box that is none: images of a batch have different numbers of objects."""

VISIBLE = 0.3
"""The part of a box that must stay in the image for its object to be one to find."""

def in_memory(coco: Coco | Scenes) -> tuple[Floats, Floats, Ints]:
    """All photographs of a split with their objects that are no crowds.

    Images are (photographs, 3, height, width) from 0 to 1, boxes (photographs, most objects of
    one, 4) and labels (photographs, most), which are :data:`NONE` where there is no object.
    """
    single = [~objects.crowd for objects in coco.objects]
    most = max(1, *(int(one.sum()) for one in single))
    height, width = coco.size
    images = np.empty((len(coco), 3, height, width), np.float32)
    boxes = np.zeros((len(coco), most, 4), np.float32)
    labels = np.full((len(coco), most), NONE, np.int64)
    for index, chosen in enumerate(single):
        images[index], found, kinds = coco[index]
        boxes[index, : chosen.sum()], labels[index, : chosen.sum()] = found, kinds
    return images, boxes, labels


@dataclass(frozen=True)
class Jitter:
    """Mirror, resize, move and tint photographs at random, and their boxes with them.

    Half of all are mirrored along each axis, independently: what is seen from above, as cells are
    under a microscope, has no side that is up. What comes in from beyond an image is black. Boxes
    are cut at the image's edges; of objects that are mostly outside the label becomes
    :data:`NONE`.

    Parameters
    ----------
    scale : float
        Images are resized by a factor from 1 / (1 + scale) to 1 + scale.
    shift : float
        They are moved by up to this part of their width and of their height.
    tint : float
        Each channel is multiplied by a factor from 1 - tint to 1 + tint.
    """

    scale: float = 0.25
    shift: float = 0.1
    tint: float = 0.15

    def __post_init__(self) -> None:
        for name in ("scale", "shift", "tint"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise NhotError(
                    f"{name.capitalize()} of a jitter must be 0 or more and below 1, not {value}"
                )

    def __call__(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Images (batch, 3, height, width), boxes (batch, most, 4) and labels (batch, most)."""
        images, boxes, labels = batch

        def spread(*shape: int) -> Tensor:
            return 2 * torch.rand(len(images), *shape, generator=generator) - 1

        # A point goes from p to factor * p + offset, in halves of the image from its middle.
        factor = torch.exp(spread(1) * math.log1p(self.scale)) * spread(2).sign()
        offset = 2 * self.shift * spread(2)
        tint = 1 + self.tint * spread(3, 1, 1)
        images = (_moved(images, factor, offset) * tint).clamp_(0, 1)
        height, width = images.shape[2:]
        boxes, seen = _moved_boxes(boxes, factor, offset, torch.tensor([width, height]))
        return images, boxes, torch.where(seen, labels, NONE)


def _moved(images: Tensor, factor: Tensor, offset: Tensor) -> Tensor:
    inverse = torch.cat([torch.diag_embed(1 / factor), (-offset / factor)[:, :, None]], 2)
    grid = F.affine_grid(inverse, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def _moved_boxes(
    boxes: Tensor, factor: Tensor, offset: Tensor, size: Tensor
) -> tuple[Tensor, Tensor]:
    """Boxes cut at the edges of the image of ``size`` (width, height), and which are seen."""
    start = boxes[:, :, :2]
    corners = torch.stack([start, start + boxes[:, :, 2:]])  # (2, batch, most, 2)
    halves = factor[:, None] * (2 * corners / size - 1) + offset[:, None]
    low, high = ((halves + 1) / 2 * size).sort(0).values
    cut_low, cut_high = low.clamp_min(0).minimum(size), high.clamp_min(0).minimum(size)
    sides = cut_high - cut_low
    seen = (sides.prod(2) >= VISIBLE * (high - low).prod(2)) & (sides > 1).all(2)
    return torch.cat([cut_low, sides], 2), seen


@dataclass(frozen=True)
class CentreLoss:
    """The loss of :mod:`nhot.experiments.models.centernet.loss`; a batch's boxes become its maps.

    Parameters
    ----------
    classes : int
    """

    classes: int

    def __call__(self, model: nn.Module, /, *batch: Tensor) -> Tensor:
        """The loss of a batch of images, boxes and labels, as :func:`in_memory` has them."""
        images, boxes, labels = batch
        output = model(images).float()  # logarithms of probabilities need all digits
        height, width = images.shape[2:]
        maps = np.stack([
            targets(box[label != NONE], label[label != NONE], classes=self.classes,
                    shape=(height, width))
            for box, label in zip(boxes.cpu().numpy(), labels.cpu().numpy(), strict=True)
        ])
        return detection_loss(output, torch.from_numpy(maps).to(output.device))


@dataclass(frozen=True, eq=False)
class Precision:
    """Average precision on photographs, as COCO measures it; calling it gives the mean.

    Parameters
    ----------
    images : (photographs, 3, height, width) float
    objects : list of Objects
        Of each photograph.
    classes : tuple of str
    """

    images: Floats
    objects: list[Objects]
    classes: tuple[str, ...]

    def __call__(self, model: nn.Module) -> float:
        """The mAP of ``model``, 0 to 1."""
        return self.metrics(model)["mAP"]

    def figures(self, model: nn.Module) -> dict[str, Any]:
        """Everything that is measured, for a record."""
        return dict(self.metrics(model))

    def resampled(self, model: nn.Module, draws: int, seed: int) -> list[float]:
        """The mAP on photographs drawn anew, with replacement; the same ones for any model."""
        often = drawn(len(self.objects), draws, seed)
        return resampled_precision(self.objects, self._found(model), self.classes, often)

    def metrics(self, model: nn.Module) -> Metrics:
        """Average precisions of ``model`` in evaluation mode."""
        return coco_metrics(self.objects, self._found(model), self.classes)

    @torch.no_grad()
    def _found(self, model: nn.Module) -> list[Detections]:
        model.eval()
        device = device_of(model)
        return [
            decode(maps, threshold=THRESHOLD)
            for (batch,) in in_order((self.images,), BATCH)
            for maps in model(batch.to(device)).cpu().numpy()
        ]
