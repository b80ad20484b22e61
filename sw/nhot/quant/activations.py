"""Activations on an integer grid: ranges seen, and rounding."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from nhot.errors import NhotError
from nhot.network.tensor import Tensor, check_activation_bits

__all__ = ["ActivationQuant", "GivenGrid"]

MOMENTUM = 0.05
"""Weight of a training batch in the moving range."""


class ActivationQuant(nn.Module):
    """Rounds activations to ``bits`` over the range they were seen in, which always holds zero.

    A range that starts at zero (after ReLU) is unsigned with zero point 0; any other is signed with
    a zero point. Calibration widens the range to all it sees; training moves it slowly. Values
    beyond it saturate, and pass no gradient.

    Parameters
    ----------
    bits : int
    fixed : (low, high), optional
        A range that is known, and neither calibration nor training changes.

    Attributes
    ----------
    real : bool
        Whether values are to stay as they are; ranges are followed nevertheless.
    unit : float or None
        What the scale is a power of two of, if it is to be one: the least that holds the range.
    """

    minimum: torch.Tensor
    maximum: torch.Tensor

    def __init__(self, bits: int = 8, *, fixed: tuple[float, float] | None = None):
        super().__init__()
        check_activation_bits(bits)
        low, high = fixed or (0.0, 0.0)
        if not (math.isfinite(low) and math.isfinite(high) and low <= 0 <= high):
            raise NhotError(f"Range of an activation must hold 0, not {low} to {high}")
        self.name = "activation"  # what errors call it; a layer gives it its own
        self.bits = bits
        self.real = False
        self.unit: float | None = None
        self.fixed = fixed is not None
        self.calibrating = False
        self.register_buffer("minimum", torch.tensor(low, dtype=torch.float64))
        self.register_buffer("maximum", torch.tensor(high, dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The values that the integers of ``x`` stand for; calibrating, or if real, ``x``."""
        if self.calibrating or self.training:
            self._observe(x.detach())
        if self.calibrating or self.real:
            return x
        grid = self.tensor(self.name, (1, 1, 1))
        rounded: torch.Tensor = _Round.apply(x, grid)  # type: ignore[no-untyped-call]
        return rounded

    @property
    def known(self) -> bool:
        """Whether there is a range, and calibration is not about to change it."""
        return not self.calibrating and bool(self.minimum < self.maximum)

    def reset(self) -> None:
        """Forget the range, before a new calibration."""
        if not self.fixed:
            self.minimum.zero_()
            self.maximum.zero_()

    def tensor(self, name: str, shape: tuple[int, int, int]) -> Tensor:
        """The integer tensor of this grid; a range of nothing but zero is refused by ``name``."""
        low, high = float(self.minimum), float(self.maximum)
        if not (math.isfinite(low) and math.isfinite(high)):
            raise NhotError(f"Activations of {name!r} must be finite numbers, not NaN or infinite")
        if high <= low:
            raise NhotError(
                f"Activations of {name!r} must not all be zero on the calibration samples"
            )
        signed = low < 0
        scale = self._scale((high - low) / (2**self.bits - 1))
        start = -(2 ** (self.bits - 1)) if signed else 0
        zero_point = math.floor(start - low / scale + 0.5) if signed else 0
        return Tensor(
            name=name, shape=shape, bits=self.bits, signed=signed, scale=scale,
            zero_point=zero_point,
        )

    def _scale(self, least: float) -> float:
        """The smallest scale from ``least`` on that may be."""
        if self.unit is None:
            return least
        mantissa, exponent = math.frexp(least / self.unit)
        return self.unit * 2.0 ** (exponent - (mantissa == 0.5))

    def _observe(self, x: torch.Tensor) -> None:
        if self.fixed:
            return
        # Seen in the order it lies in memory, a tensor needs no copy.
        last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
        least, greatest = (x.movedim(1, -1) if last else x).aminmax()
        low, high = least.clamp_max(0).double(), greatest.clamp_min(0).double()
        if self.calibrating:
            self.minimum.copy_(torch.minimum(self.minimum, low))
            self.maximum.copy_(torch.maximum(self.maximum, high))
        else:
            self.minimum.lerp_(low, MOMENTUM)
            self.maximum.lerp_(high, MOMENTUM)


class GivenGrid(ActivationQuant):
    """Rounds to the very grid of ``given``, which neither calibration nor training changes.

    Only bits, sign, scale and zero point are taken of it.
    """

    def __init__(self, given: Tensor):
        low, high = ((end - given.zero_point) * given.scale for end in (given.low, given.high))
        super().__init__(given.bits, fixed=(low, high))
        self.given = given

    def tensor(self, name: str, shape: tuple[int, int, int]) -> Tensor:
        return replace(self.given, name=name, shape=shape)


class _Round(torch.autograd.Function):
    """To the grid, half up; the gradient passes where nothing saturates.

    One function rather than an operation a step: most of what fake quantisation costs is the
    memory that its steps read and write.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, grid: Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.grid = grid
        integers = x.float().mul(1 / grid.scale).add_(grid.zero_point + 0.5).floor_()
        integers.clamp_(grid.low, grid.high)
        return integers.sub_(grid.zero_point).mul_(grid.scale)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (x,) = ctx.saved_tensors
        low, high = (
            (end - ctx.grid.zero_point) * ctx.grid.scale
            for end in (ctx.grid.low - 0.5, ctx.grid.high + 0.5)
        )
        # What passes a gradient between two limits, in one pass over memory.
        return torch.ops.aten.hardtanh_backward(gradient, x, low, high), None
