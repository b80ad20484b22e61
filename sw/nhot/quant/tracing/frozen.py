"""Batch normalisation that training leaves as it is: a gain and an offset for each channel."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["FrozenNorm", "gain_and_offset", "scale_norm"]


class FrozenNorm(nn.BatchNorm2d):
    """``gain * x + offset``, (channels,) each; statistics of batches play no part.

    Gain and offset are weight and bias, which training may change.
    """

    def __init__(self, gain: Tensor, offset: Tensor):
        super().__init__(len(gain), eps=0.0)
        self.weight = nn.Parameter(gain.float())
        self.bias = nn.Parameter(offset.float())

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )

    def reset_parameters(self) -> None:
        """Keep what the model computes."""


def gain_and_offset(norm: Any) -> tuple[Tensor, Tensor]:
    """What a batch normalisation computes in evaluation mode. Both (channels,) float64"""
    mean, variance = norm.running_mean.detach().double(), norm.running_var.detach().double()
    gain = (variance + norm.eps).rsqrt()
    offset = -mean * gain
    if norm.affine:
        weight, bias = norm.weight.detach().double(), norm.bias.detach().double()
        return gain * weight, offset * weight + bias
    return gain, offset


def scale_norm(norm: Any, gain: Tensor, offset: Tensor) -> None:
    """Let ``norm`` compute ``gain * norm(x) + offset``. (channels,) each"""
    weight, bias = (
        (norm.weight.detach(), norm.bias.detach()) if norm.affine else (1.0, torch.zeros_like(gain))
    )
    norm.affine = True
    norm.weight = nn.Parameter((gain * weight).float())
    norm.bias = nn.Parameter((gain * bias + offset).float())
