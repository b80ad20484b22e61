"""What stands for a step of a model: a layer, and what is still to be done to its values."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, fx

from nhot.network.tensor import Shape
from nhot.quant.tracing.steps import Affine

__all__ = ["Frame", "Made"]

Frame = tuple[int, int, int, int]
"""Zeros at the (top, left, bottom, right) of a map."""


@dataclass
class Made:
    """The values of a layer, times ``gain`` plus ``offset``, in a ``frame`` of zeros.

    Gain and offset are (channels, height, width) float64, or None where there is nothing to do.
    With a frame the offset is zero: zeros around come last.
    """

    layer: str
    node: fx.Node
    gain: Tensor | None = None
    offset: Tensor | None = None
    frame: Frame = (0, 0, 0, 0)
    shared: bool = False
    """Whether more than one step reads it."""

    @property
    def plain(self) -> bool:
        """Whether it is what the layer makes."""
        return self.gain is None and not any(self.frame)

    @property
    def by_channel(self) -> bool:
        """Whether gain and offset are the same in each place of a channel."""
        return all(
            constant is None or bool((constant == constant[:, :1, :1]).all())
            for constant in (self.gain, self.offset)
        )

    @property
    def centred(self) -> bool:
        """Whether zero stays zero."""
        return self.offset is None or not bool(self.offset.any())

    def then(self, node: fx.Node, affine: Affine, made: tuple[int, ...], shape: Shape) -> Made:
        """With an affine step on top; no frame may be there yet."""
        gain, offset = affine.over(made, shape)
        if self.gain is not None and self.offset is not None:
            gain, offset = gain * self.gain, gain * self.offset + offset
        return Made(self.layer, node, gain, offset)

    def framed(self, node: fx.Node, frame: Frame) -> Made:
        """With zeros on top."""
        top, left, bottom, right = (a + b for a, b in zip(self.frame, frame, strict=True))
        return replace(self, node=node, frame=(top, left, bottom, right), shared=False)

    def factors(self, channels: int) -> tuple[Tensor, Tensor]:
        """Gain and offset of each channel. (channels,)"""
        if self.gain is None or self.offset is None:
            return torch.ones(channels).double(), torch.zeros(channels).double()
        return self.gain[:, 0, 0], self.offset[:, 0, 0]
