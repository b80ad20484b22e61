"""What steps of a model are that torch has no module for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nhot import network
from nhot.network import Window
from nhot.network.tensor import Shape

__all__ = ["Affine", "Cat", "Largest", "Mean", "OnGrid", "Pad", "Step", "Sum", "limits"]


class Step(nn.Module):
    """Base: in a model it is one step of it, as a module of torch's own is."""


class Sum(Step):
    """``a + b`` of two tensors."""

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        return one + other


@dataclass(eq=False)
class Cat(Step):
    """Tensors joined along an axis."""

    dim: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def forward(self, *tensors: Tensor) -> Tensor:
        return torch.cat(tensors, self.dim)


@dataclass(eq=False)
class Mean(nn.Module):
    """Stands for a mean over height and width."""

    dim: Any = None
    keepdim: bool = False

    def __post_init__(self) -> None:
        super().__init__()


@dataclass(eq=False)
class Largest(Step):
    """The largest of each window, whose padding never wins and may differ from side to side."""

    window: Window

    def __post_init__(self) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        top, left, bottom, right = self.window.padding
        padded = F.pad(x, (left, right, top, bottom), value=-math.inf)
        return F.max_pool2d(
            padded, self.window.kernel, self.window.stride, dilation=self.window.dilation
        )


@dataclass(eq=False)
class Pad(Step):
    """Zeros around a tensor, in torch's order: (left, right, top, bottom, ...)."""

    sides: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, self.sides)


class OnGrid(Step):
    """Limits what it reads to the range of ``grid``; the quantised model rounds to that very grid.

    So a file's own scale and zero point are kept, whatever samples there are. In float nothing is
    rounded.

    Parameters
    ----------
    grid : network.Tensor
        Of which bits, sign, scale and zero point are taken.
    """

    def __init__(self, grid: network.Tensor):
        super().__init__()
        self.grid = grid

    @property
    def limits(self) -> tuple[float, float]:
        """What the least and the greatest integer stand for."""
        grid = self.grid
        low, high = ((end - grid.zero_point) * grid.scale for end in (grid.low, grid.high))
        return low, high

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(*self.limits)


class Affine(Step):
    """``gain * x + offset``: numbers, or tensors that broadcast to one sample."""

    def __init__(self, gain: Any = 1.0, offset: Any = 0.0):
        super().__init__()
        self.gain = torch.as_tensor(gain, dtype=torch.float64).detach()
        self.offset = torch.as_tensor(offset, dtype=torch.float64).detach()

    def forward(self, x: Tensor) -> Tensor:
        return (self.gain * x + self.offset).to(x.dtype)

    @property
    def identity(self) -> bool:
        """Whether it changes nothing, as in ``sum([x, y])``, which begins with 0."""
        plain = self.gain.dim() == self.offset.dim() == 0
        return plain and (float(self.gain), float(self.offset)) == (1.0, 0.0)

    def over(self, made: tuple[int, ...], shape: Shape) -> tuple[Tensor, Tensor]:
        """Gain and offset (channels, height, width), of a tensor ``made`` by torch.

        A ``shape`` is (height, width, channels); that a constant does not fit is a ValueError.
        """
        height, width, channels = shape
        one = (1, *made[1:])
        if math.prod(one) != math.prod(shape):
            raise ValueError(f"constants that leave its shape, not make {made} of it")
        found = []
        for constant in (self.gain, self.offset):
            axes = [1] * (len(one) - constant.dim()) + list(constant.shape)
            if len(axes) > len(one) or any(a not in {1, b} for a, b in zip(axes, one, strict=True)):
                raise ValueError(
                    f"a constant that suits one sample of {one}, not of shape "
                    f"{tuple(constant.shape)}"
                )
            if not bool(torch.isfinite(constant).all()):
                raise ValueError("finite constants, not NaN or infinite")
            found.append(constant.expand(one).reshape(channels, height, width))
        return found[0], found[1]


def limits(module: nn.Module) -> tuple[float, float]:
    """The range that ReLU, ReLU6 or Hardtanh limits its input to."""
    if isinstance(module, nn.Hardtanh):
        return float(module.min_val), float(module.max_val)
    return 0.0, float("inf")
