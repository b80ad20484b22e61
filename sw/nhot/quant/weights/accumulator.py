"""Filters whose sums cannot overflow a chosen accumulator."""

from __future__ import annotations

import torch
from torch import Tensor

from nhot.formats import Format
from nhot.quant.weights.rounding import nearest, toward_zero

__all__ = ["limited_levels", "strongest"]


def limited_levels(values: Tensor, format: Format, limit: int) -> Tensor:
    """Levels near ``values`` (filters, ...) whose positive and negative sums are within ``limit``.

    A filter whose nearest levels fit keeps them. Others are first moved to the nearest point whose
    parts fit, which takes the same from every weight of a sign, and then rounded towards zero.
    Source: A2Q, arXiv 2301.13376. No gradient passes.
    """
    values = values.detach()
    rows = values.flatten(1).clamp(-format.max_level, format.max_level)
    levels = nearest(rows, format)
    projected = _project(rows.clamp_min(0), limit) - _project((-rows).clamp_min(0), limit)
    fits = torch.maximum(levels.clamp_min(0).sum(1), (-levels).clamp_min(0).sum(1)) <= limit
    chosen = torch.where(fits[:, None], levels, toward_zero(projected, format))
    return chosen.reshape(values.shape)


def strongest(magnitude: Tensor, active: Tensor, limit: int) -> Tensor:
    """The ``limit`` largest of the active weights of each filter. (filters, ...) bool"""
    rows = (magnitude * active).flatten(1)
    order = rows.argsort(dim=1, descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(
        rows.shape[1], device=rows.device).expand_as(order))
    return active & (rank < limit).reshape(active.shape)


def _project(rows: Tensor, limit: int) -> Tensor:
    """The nearest rows, none negative, that add up to ``limit`` at most. (filters, weights)"""
    ordered = rows.sort(dim=1, descending=True).values
    count = torch.arange(1, rows.shape[1] + 1, device=rows.device)
    threshold = (ordered.cumsum(1) - limit) / count
    # The threshold belongs to the last weight that stays above its own.
    last = ((ordered > threshold).sum(1, keepdim=True) - 1).clamp_min(0)
    return (rows - threshold.gather(1, last).clamp_min(0)).clamp_min(0)
