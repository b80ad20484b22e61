"""Layers without weights from what torch calls them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import nn

from nhot.errors import NhotError
from nhot.network import Tensor
from nhot.network.tensor import Shape
from nhot.quant.activations import ActivationQuant, GivenGrid
from nhot.quant.layers import (
    QuantAdd,
    QuantAvgPool,
    QuantClamp,
    QuantConcat,
    QuantLayer,
    QuantMaxPool,
    QuantUpsample,
    RoundingLayer,
)
from nhot.quant.tracing.made import Made
from nhot.quant.tracing.steps import Cat, Largest, OnGrid, Sum, limits
from nhot.quant.tracing.windows import around, framed, pool_window, stretched

__all__ = [
    "activation", "alike", "joined", "pooled", "round_to", "takes_frame", "upsampled",
]


def pooled(
    name: str, module: nn.Module, made: Made, before: Shape, shape: Shape,
    rounding: ActivationQuant, what: str,
) -> QuantLayer:
    """A pool over the layer of ``made``, whose frame becomes padding of its window."""
    window = framed(pool_window(module, around(before, made.frame), what), made.frame)
    largest = isinstance(module, nn.MaxPool2d | Largest)
    if largest:
        window = stretched(window, before, shape)
    if window.output_size(*before[:2]) != shape[:2]:
        raise NhotError(f"{what} must not use ceil_mode: it would leave the padded input")
    if largest:
        return QuantMaxPool(name, made.layer, shape, window)
    return QuantAvgPool(name, made.layer, shape, rounding, window)


def takes_frame(layers: Mapping[str, QuantLayer], pool: nn.Module, made: Made) -> bool:
    """Whether zeros around what a pool reads are the same as padding of its window.

    To a mean they are. The largest of a window that sees some of its input is the same without
    them, where nothing is below zero; torch's own padding never wins, and neither does a window's.
    """
    if made.gain is not None or not isinstance(pool, nn.MaxPool2d | nn.AvgPool2d):
        return False
    if isinstance(pool, nn.AvgPool2d):
        return True
    if pool.ceil_mode:
        return False  # its last window may begin in the zeros
    before = layers[made.layer].shape
    window = framed(pool_window(pool, before, "pool"), made.frame)
    return _not_negative(layers, made.layer) and window.sees_input(*before[:2])


def _not_negative(layers: Mapping[str, QuantLayer], name: str) -> bool:
    """Whether a layer gives nothing below zero, whatever it reads."""
    layer = layers[name]
    if isinstance(layer, QuantClamp):
        return layer.limits[0] >= 0
    if isinstance(layer, RoundingLayer):
        return not isinstance(layer.activation, nn.Identity) and limits(layer.activation)[0] >= 0
    return _not_negative(layers, layer.sources[0])


def upsampled(
    name: str, module: nn.Upsample, source: QuantLayer, shape: Shape, what: str
) -> QuantLayer:
    """Nearest upsampling by whole factors; any other is refused."""
    before, scale = source.shape, module.scale_factor
    scales = scale if isinstance(scale, tuple | list) else (1.0 if scale is None else scale,)
    whole = all(float(factor).is_integer() for factor in scales)
    if module.mode != "nearest" or not whole or shape[0] % before[0] or shape[1] % before[1]:
        raise NhotError(
            f"{what} must be nearest, by whole factors, "
            f"not {module.mode} from {before[:2]} to {shape[:2]}"
        )
    factors = (shape[0] // before[0], shape[1] // before[1])
    return QuantUpsample(name, source.name, shape, factors)


def joined(
    name: str, module: Sum | Cat, sources: list[QuantLayer], axes: int, rounding: ActivationQuant,
    what: str,
) -> QuantLayer:
    """The sum of two tensors, or channels one after the other; ``axes`` are those of the result."""
    names, shapes = tuple(source.name for source in sources), [source.shape for source in sources]
    if isinstance(module, Sum):
        if shapes[0] != shapes[1]:
            raise NhotError(f"{what} must add tensors of one shape, not {shapes[0]} and "
                            f"{shapes[1]} (height, width, channels)")
        return QuantAdd(name, names, shapes[0], rounding)
    height, width, _ = shapes[0]
    # Flattened maps have lost their channels.
    flattened = axes == 2 and any(each[:2] != (1, 1) for each in shapes)
    if module.dim % axes != 1 or flattened:
        raise NhotError(
            f"{what} must join channels (axis 1), before they are flattened, not {shapes} "
            f"(height, width, channels) along axis {module.dim}"
        )
    return QuantConcat(name, names, (height, width, sum(each[2] for each in shapes)), rounding)


def activation(low: float, high: float) -> nn.Module:
    """The module that limits its input to a range."""
    if (low, high) == (0, math.inf):
        return nn.ReLU()
    return nn.Hardtanh(low, high)


def alike(rounding: ActivationQuant, grid: Tensor) -> bool:
    """Whether a rounding is to ``grid``, with the same numbers for the same integers or others."""
    if not isinstance(rounding, GivenGrid):
        return False
    given = rounding.given
    return (given.scale, given.bits, given.low - given.zero_point) == (
        grid.scale, grid.bits, grid.low - grid.zero_point
    )


def round_to(layer: RoundingLayer, step: OnGrid) -> None:
    """Let ``layer`` end in the range and on the grid of ``step``, within what limits it has."""
    low, high = step.limits
    if not isinstance(layer.activation, nn.Identity):
        least, most = limits(layer.activation)
        low, high = max(low, least), min(high, most)
    layer.activation = activation(low, high)
    layer.rounding = GivenGrid(step.grid)
    layer.rounding.name = layer.name
