"""Weights of a layer as lanes take them: levels of the engine's format, in steps of S inputs."""

from __future__ import annotations

from typing import TypeGuard

import numpy as np

from nhot.compiler.layout import offset
from nhot.compiler.passes import Held
from nhot.compiler.steps import Reach, grouped_steps, reach
from nhot.compiler.unfold import rest, unfold_weights
from nhot.contract.banks import conflicts
from nhot.contract.config import DEPTHWISE_KERNEL, DEPTHWISE_TAPS, SIZES, EngineConfig
from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.network import Conv2d, Linear, Tensor, Window

__all__ = ["by_channel", "input_places", "lower_taps", "lower_weights", "takes_taps", "tap_steps"]


def lower_weights(
    node: Conv2d | Linear, x: Held, config: EngineConfig, layout: Window | None = None,
    part: range | None = None,
) -> tuple[Ints, Ints, Reach]:
    """Levels (filters, kernel_y, kernel_x, words, S) for the lanes, a sign a filter, their words.

    Of all filters or a ``part``. Weights that the lanes cannot hold are refused.
    """
    fmt = config.weight_format
    levels, signs = fmt.fold_signs(by_channel(node.weights, x.tensor, layout))
    groups = node.groups if isinstance(node, Conv2d) else 1
    lie = input_places(x, config, layout)
    words = reach(len(levels), groups, lie, config, part)
    size = len(words.filters) * levels[0, ..., 0].size * words.words * config.inputs
    most = SIZES["weight_words"][1] * config.filters * config.inputs
    if groups > 1 and size > most:  # far more than the network itself has: not to be formed
        raise NhotError(
            f"Weights of a grouped convolution must be at most {most} with the zeros beside them "
            f"on this engine, not {size}"
        )
    steps = grouped_steps(levels, groups, lie, words, config)
    if not (fmt.contains(0) or steps.all() or _free_inputs_are_zero(node, x, layout)):
        raise NhotError(
            f"Steps of {config.inputs} inputs must be full of weights in {fmt.name}, which has no "
            f"zero, not of {len(lie)} channels{f' in {groups} groups' if groups > 1 else ''}"
            f"{' and holes' if x.pieces else ''} (ternary has one)"
        )
    fmt.encode(fmt.filled(steps))
    return steps, signs[words.filters.start : words.filters.stop], words


def _free_inputs_are_zero(node: Conv2d | Linear, x: Held, layout: Window | None) -> bool:
    """Whether what the channels of ``x`` leave free of a step is 0 wherever the layer looks.

    The host writes it so; beyond the border of a tensor all of a word is the padding.
    """
    if not x.from_host or (isinstance(node, Conv2d) and node.groups > 1):
        return False
    border = isinstance(node, Conv2d) and any(
        (node.window if layout is None else rest(node.window, layout)).padding
    )
    return not border or x.tensor.zero_point + offset(x.tensor) == 0


def by_channel(weights: Ints, x: Tensor, layout: Window | None) -> Ints:
    """Weights of a convolution or a dense layer as (filters, kernel_y, kernel_x, channels).

    Over the input ``x`` as it is laid out.
    """
    if weights.ndim == 2:
        weights = weights.reshape(-1, *x.shape)
    return weights if layout is None else unfold_weights(weights, layout)


def input_places(x: Held, config: EngineConfig, layout: Window | None) -> Ints:
    """The byte of a position that each channel lies in, of an input as it is laid out."""
    if layout is None:
        return x.places(config.inputs)
    return np.arange(layout.taps * x.tensor.shape[2])


def takes_taps(node: Conv2d | Linear, x: Held, config: EngineConfig) -> TypeGuard[Conv2d]:
    """Whether lanes can take the taps of the layer's channels, each those of its filter."""
    if not config.depthwise or not isinstance(node, Conv2d) or x.pieces:
        return False
    if config.inputs > DEPTHWISE_TAPS and not config.weight_format.contains(0):
        return False  # inputs without a tap have one of the channels, whose weight must be zero
    filters, *kernel, depth = node.weights.shape
    stride = node.window.stride[1]
    position = -(-filters // config.inputs)
    return (
        depth == 1 and filters == node.groups and kernel == [DEPTHWISE_KERNEL] * 2
        and node.window.dilation == (1, 1) and not conflicts(position, config.banks)
        and (stride == 1 or (stride == 2 and (config.pixels == 1 or config.pixels % 2 == 0)))
    )


def lower_taps(node: Conv2d, config: EngineConfig) -> tuple[Ints, Ints]:
    """The taps of each filter as one step (filters, 1, 1, 1, S), and a sign a filter."""
    levels, signs = config.weight_format.fold_signs(node.weights)
    steps = tap_steps(levels, config)
    config.weight_format.encode(steps)
    return steps, signs


def tap_steps(weights: Ints, config: EngineConfig) -> Ints:
    """Kernels (filters, 3, 3, 1) column by column, as the lanes find the words of the input."""
    taps = weights[..., 0].transpose(0, 2, 1).reshape(len(weights), -1)
    return np.pad(taps, ((0, 0), (0, config.inputs - DEPTHWISE_TAPS)))[:, None, None, None]
