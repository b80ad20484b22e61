"""Layers with weights: convolutions and dense layers."""

from __future__ import annotations

import platform

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from nhot import network
from nhot.errors import NhotError
from nhot.formats import Binary, Format
from nhot.network import Requant, Window
from nhot.network.requant import MAX_TERMS, SCALES, SHIFT
from nhot.network.tensor import Shape
from nhot.quant.activations import ActivationQuant, GivenGrid
from nhot.quant.layers.layer import Grid, RoundingLayer, channels, finish
from nhot.quant.layers.short import ShortMultipliers
from nhot.quant.tracing.frozen import gain_and_offset
from nhot.quant.tracing.windows import conv_window
from nhot.quant.weights import WeightQuant, WeightSpec, weight_quant

__all__ = ["QuantFilters", "exact_type"]

DIRECT = torch.backends.mkldnn.is_available() and (  # type: ignore[no-untyped-call]
    platform.machine() in {"x86_64", "AMD64"}
)
REACH = 5 / 8  # of a range of outputs, from where multipliers make no error to its ends
SMALLEST, _ = SCALES  # of a requantisation scale


class QuantFilters(RoundingLayer):
    """A convolution or a dense layer, with the batch normalisation after it if ``norm`` is set.

    A dense layer is a convolution over its whole input. Batch normalisation keeps its statistics
    while training; the integers have it folded into scale and bias, so that the weights, and what
    they round to, are the same with and without it. A module whose weights were rounded before says
    on which scales in a buffer ``weight_scale`` (filters,).

    Attributes
    ----------
    short : ShortMultipliers or None
        What keeps multipliers short, if they are to be.
    """

    def __init__(
        self, name: str, source: str, shape: Shape, rounding: ActivationQuant,
        module: nn.Conv2d | nn.Linear, input_shape: Shape, spec: WeightSpec,
    ):
        super().__init__(name, (source,), shape, rounding)
        self.norm: nn.BatchNorm2d | nn.BatchNorm1d | None = None
        self.dense = isinstance(module, nn.Linear)
        if isinstance(module, nn.Linear):
            height, width, channels = input_shape
            # Features are flattened as (channels, height, width) by torch.
            self.weight = nn.Parameter(
                module.weight.detach().reshape(-1, channels, height, width).clone()
            )
            self.window, self.groups = Window(kernel=(height, width)), 1
        else:
            self.weight = nn.Parameter(module.weight.detach().clone())
            self.window, self.groups = conv_window(name, module), module.groups
        bias = torch.zeros(shape[2]) if module.bias is None else module.bias.detach().clone()
        self.bias = nn.Parameter(bias)
        self.spec = spec
        self.known_scale: Tensor | None
        known = getattr(module, "weight_scale", None)
        self.register_buffer("known_scale", known, persistent=False)
        self.weights = self._weight_quant()
        self.short: ShortMultipliers | None = None

    @property
    def format(self) -> Format:
        """The format of the weights; of a table, that which was fitted to them."""
        return self.weights.format

    def set_spec(self, spec: WeightSpec) -> None:
        """Round in another way, with scales searched for the present weights."""
        self.spec = spec
        self.weights = self._weight_quant()

    def shorten(self, terms: int, source: ActivationQuant) -> None:
        """Have multipliers of at most ``terms``; ``source`` is the rounding of what is read."""
        self.short = ShortMultipliers(terms, source, self.rounding, self.shape[2])

    def choose_scales(self) -> None:
        """Choose scales for short multipliers between the present ranges, if they are to be."""
        if self.short is not None:
            self.short.choose(self.weights, self.weight, self._magnitude())

    @torch.no_grad()
    def absorb(self, gain: Tensor, offset: Tensor) -> None:
        """Take in what comes before: the layer reads ``x`` in place of ``gain * x + offset``.

        Both are (channels, height, width); those of a convolution, which must not pad where there
        is an offset, are the same all over a channel.
        """
        outputs, inputs = self.weight.shape[:2]
        if not self.dense:
            gain, offset = gain[:, :1, :1], offset[:, :1, :1]
        each = outputs // self.groups  # filters that see the same inputs
        gain, offset = (
            constant.reshape(self.groups, inputs, *constant.shape[1:]).repeat_interleave(each, 0)
            for constant in (gain, offset)
        )
        weight = self.weight.double()
        self.bias.copy_(self.bias.double() + (weight * offset).sum((1, 2, 3)))
        self.weight.copy_(weight * gain)
        self.weights = self._weight_quant()

    def forward(self, *inputs: Tensor) -> Tensor:
        (x,) = inputs
        total = self._convolve(x, self.weights(self.weight), 0.0)
        if self.short is not None and self.short.chosen:
            return self.finish(self._kept(total, self.short))
        total = total + self.bias.reshape(1, -1, 1, 1)
        return self.finish(total if self.norm is None else self._normalise(total))

    def integers(self, values: list[Tensor], grids: tuple[Grid, ...], grid: Grid) -> Tensor:
        (x,), (source,) = values, grids
        levels, bias, requant = self.parameters_for(source, grid)
        number = exact_type(levels, source)
        total = self._convolve(x.to(number), levels.to(number), source.zero_point).long()
        offset = torch.from_numpy(bias * requant.multiplier).reshape(1, -1, 1, 1)
        return finish(total.mul_(channels(requant)), requant, offset)

    def node(self, grids: tuple[Grid, ...], grid: Grid) -> network.Node:
        (source,) = grids
        levels, bias, requant = self.parameters_for(source, grid)
        weights = levels.permute(0, 2, 3, 1).contiguous().numpy()
        if self.dense:
            return network.Linear(
                inputs=self.sources, output=grid, weights=weights.reshape(len(weights), -1),
                bias=bias, format=self.format, requant=requant,
            )
        return network.Conv2d(
            inputs=self.sources, output=grid, weights=weights, bias=bias, format=self.format,
            requant=requant, window=self.window, groups=self.groups,
        )

    def parameters_for(self, source: Grid, grid: Grid) -> tuple[Tensor, NDArray[np.int64], Requant]:
        """Levels (filters, channels, y, x), bias (filters,) and requantisation, all integers."""
        levels, scale = self.weights.integers(self.weight)
        levels = levels.cpu()
        gain, offset = self._affine()
        if self.short is not None:
            own = self.weights.scale(self.weight).double()
            stretch = self.short.exact(own, self._magnitude(), source.scale, grid.scale)
            gain, offset = self._stretched(gain, offset, stretch.cpu().numpy())
        scale = scale * gain * source.scale
        # A filter of zeros, or too weak to move the output, keeps its offset on a scale that fits.
        empty = (levels == 0).flatten(1).all(1).numpy()
        weak = empty | (np.abs(scale) < SMALLEST * grid.scale)
        if isinstance(self.format, Binary):  # whose levels cannot vanish: as weak as can be
            stand_in = SMALLEST
        else:
            stand_in = 2.0**-8
            levels[torch.from_numpy(weak)] = 0
        terms = MAX_TERMS if self.short is None else self.short.terms
        requant = self.requant(np.where(weak, stand_in * grid.scale, scale), grid, terms)
        # The bias is in units of the multiplier as rounded, so that its error is not the bias's.
        real = offset / grid.scale * 2.0**SHIFT / requant.multiplier
        if isinstance(self.rounding, GivenGrid):
            exact = np.where(weak, requant.multiplier, scale / grid.scale * 2.0**SHIFT)
            at = np.where(weak, 0.0, _anchor(requant) - offset / grid.scale) * 2.0**SHIFT
            real += at / requant.multiplier - at / exact
        zero_share = source.zero_point * levels.flatten(1).sum(1).numpy()
        return levels, np.rint(real).astype(np.int64) - zero_share, requant

    def _affine(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Gain and offset of each filter: ``gain * sum(w * x) + offset``. Both (filters,)"""
        bias = self.bias.detach().double().cpu().numpy()
        if self.norm is None:
            return np.ones_like(bias), bias
        gain, offset = (constant.cpu().numpy() for constant in gain_and_offset(self.norm))
        return gain, gain * bias + offset

    def _stretched(
        self, gain: NDArray[np.float64], offset: NDArray[np.float64], stretch: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Gain and offset of ``stretch`` times as much, as :meth:`_kept` has it. All (filters,)"""
        if self.norm is None:
            return gain * stretch, offset
        center = self._center().detach().double().cpu().numpy()
        return gain * stretch, (offset - center) * stretch + center

    def _kept(self, total: Tensor, short: ShortMultipliers) -> Tensor:
        """Bias and normalisation of sums, with the products of scales and gains that are kept."""
        stretch = short.stretch(self.weights.scale(self.weight).double(), self._magnitude())
        factor = stretch.to(total.dtype).reshape(1, -1, 1, 1)
        bias = self.bias.reshape(1, -1, 1, 1)
        if self.norm is None:
            return total * factor + bias
        center = self._center().reshape(1, -1, 1, 1)
        return (self._normalise(total + bias, trained=False) - center) * factor + center

    def _magnitude(self) -> Tensor:
        """The magnitude of each filter's gain. (filters,) float64"""
        return torch.from_numpy(np.abs(self._affine()[0])).to(self.weight.device)

    def _center(self) -> Tensor:
        """What the normalisation makes of the mean of its input. (filters,)"""
        assert self.norm is not None
        return self.norm.bias if self.norm.affine else torch.zeros_like(self.bias)

    def _normalise(self, x: Tensor, trained: bool = True) -> Tensor:
        """Batch normalisation; one whose gain is not ``trained`` gives it no gradient."""
        assert self.norm is not None
        flat = isinstance(self.norm, nn.BatchNorm1d)
        read = x.flatten(2) if flat else x
        if trained or not self.norm.affine:
            result: Tensor = self.norm(read)
        else:
            result = functional_call(self.norm, {"weight": self.norm.weight.detach()}, (read,))
        return result.reshape(x.shape) if flat else result

    def _convolve(self, x: Tensor, weight: Tensor, padding: float) -> Tensor:
        top, left, bottom, right = self.window.padding
        around = (top, left)
        if padding or around != (bottom, right):
            x, around = F.pad(x, (left, right, top, bottom), value=padding), (0, 0)
        return F.conv2d(
            x, weight, stride=self.window.stride, padding=around, dilation=self.window.dilation,
            groups=self.groups,
        )

    def _weight_quant(self) -> WeightQuant:
        try:
            return weight_quant(self.spec, self.weight, self.known_scale)
        except NhotError as error:
            raise NhotError(f"Layer {self.name!r}: {error}") from None


def _anchor(requant: Requant) -> float:
    """Where on a given grid, in units from zero, rounded multipliers make no error.

    As near to zero as leaves the error at both ends below one unit: a multiplier errs by 0.58 % at
    most, and integers of a file are to be met within one.
    """
    low, high = requant.low - requant.zero_point, requant.high - requant.zero_point
    reach = REACH * (high - low)
    return min(max(0.0, high - reach), low + reach)


def exact_type(levels: Tensor, grid: Grid) -> torch.dtype:
    """The float type in which every partial sum of these filters is an exact integer.

    Single precision where the largest sum is below 2**24; any other is far below the 2**53 of
    double precision. Elsewhere than on x86, torch may take a fast convolution whose intermediate
    results are no integers, but not in double precision.
    """
    largest = max(abs(grid.low), abs(grid.high)) * int(levels.abs().flatten(1).sum(1).max())
    return torch.float32 if DIRECT and largest < 2**24 else torch.float64
