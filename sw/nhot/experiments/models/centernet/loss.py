"""How far the maps of a detector are from their targets."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from nhot.experiments.models.centernet.maps import HEATMAP, OFFSET, SIZE

__all__ = ["detection_loss", "focal_loss"]

FOCUS = 2.0
"""Power of the error: cells that are right by far count little."""

REDUCTION = 4.0
"""Power of the distance to a centre: cells beside one are punished less for a high score."""


def detection_loss(
    output: Tensor, target: Tensor, *, size_weight: float = 1.0, offset_weight: float = 1.0
) -> Tensor:
    """The paper's loss, a scalar, for maps (batch, classes + 4, height, width).

    The focal loss of the heatmaps, and the absolute errors of size and offset in the cells of
    centres, where a target's heatmap is 1; all are sums over the batch, divided by the number of
    objects. The paper weighs sizes in pixels with 0.1; for their logarithms 1 is the default.

    Parameters
    ----------
    output : Tensor
        Of the network; heatmaps are logits.
    target : Tensor
        Of :func:`nhot.experiments.models.centernet.targets`, in a batch.
    """
    heatmap = target[:, HEATMAP]
    centres = (heatmap == 1).any(1, keepdim=True)
    objects = centres.sum().clamp_min(1)
    errors = (output - target).abs() * centres
    regression = size_weight * errors[:, SIZE].sum() + offset_weight * errors[:, OFFSET].sum()
    return (focal_loss(output[:, HEATMAP], heatmap) + regression) / objects


def focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Sum of the penalty-reduced focal loss of heatmaps; ``target`` is 1 at centres, less around.

    -(1 - p)^2 log(p) at centres, -(1 - target)^4 p^2 log(1 - p) elsewhere, with p the sigmoid.
    """
    p = logits.sigmoid()
    at_centre = (1 - p) ** FOCUS * F.logsigmoid(logits)
    elsewhere = (1 - target) ** REDUCTION * p**FOCUS * F.logsigmoid(-logits)
    return -at_centre.where(target == 1, elsewhere).sum()
