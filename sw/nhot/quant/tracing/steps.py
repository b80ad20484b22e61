"""What steps of a model are that torch has no module for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nhot.network.tensor import Shape

__all__ = ["Affine", "Cat", "Mean", "Pad", "Sum", "limits"]


class Sum(nn.Module):
    """Stands for ``a + b`` of two tensors."""


@dataclass(eq=False)
class Cat(nn.Module):
    """Stands for tensors joined along an axis."""

    dim: int = 0

    def __post_init__(self) -> None:
        super().__init__()


@dataclass(eq=False)
class Mean(nn.Module):
    """Stands for a mean over height and width."""

    dim: Any = None
    keepdim: bool = False

    def __post_init__(self) -> None:
        super().__init__()


@dataclass(eq=False)
class Pad(nn.Module):
    """Stands for zeros around a tensor, in torch's order: (left, right, top, bottom, ...)."""

    sides: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__init__()


class Affine(nn.Module):
    """Stands for ``gain * x + offset``: numbers, or tensors that broadcast to one sample."""

    def __init__(self, gain: Any = 1.0, offset: Any = 0.0):
        super().__init__()
        self.gain = torch.as_tensor(gain, dtype=torch.float64).detach()
        self.offset = torch.as_tensor(offset, dtype=torch.float64).detach()

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
