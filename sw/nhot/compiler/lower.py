"""From the passes of a network to layers an engine can run.

Lowering makes every number what the engine holds: activations as signed bytes, weights as levels of
the engine's format, biases with everything folded in that is known beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nhot.compiler.layout import offset
from nhot.compiler.passes import Held, Pass
from nhot.compiler.phases import WHOLE
from nhot.compiler.steps import Reach
from nhot.compiler.unfold import rest, unfolded
from nhot.compiler.walks import POINT, UNIT, Walk
from nhot.compiler.weights import lower_taps, lower_weights, takes_taps
from nhot.contract.config import DEPTHWISE_KERNEL, EngineConfig
from nhot.contract.program import FIELDS, Operation
from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.formats.terms import naf_weight
from nhot.network import (
    Add,
    ArgMax,
    AvgPool,
    Conv2d,
    ConvTranspose2d,
    Filters,
    Linear,
    MaxPool,
    Node,
    Requant,
    Tensor,
    Window,
)
from nhot.network.tensor import Shape

__all__ = ["Layer", "array_window", "lower_pass", "stored", "walked"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One descriptor: a pass of the engine over its input, or some of the filters of one.

    Parameters
    ----------
    walk : Walk
    inputs : tuple of Held
    output : Held
        What is written, in whole or in part.
    operation : Operation
    source, target : (height, width, channels)
        Of input and output as the layer walks them; holes between channels are channels.
    window : Window
        That it walks its source with.
    layout : Window, array operations only
        How its input is laid out (:class:`nhot.compiler.layout.Placement`).
    levels : (filters, kernel_y, kernel_x, words, S) int64, array operations only
        Or 0 where there is no weight, even if that is no level.
    reach : Reach, array operations only
        Where the words of the tiles lie in a position.
    bias : (channels or records,) int64
        Added to what the engine sums up.
    requant : Requant
        Zero point and clamp as stored; one multiplier a filter, or one a record.
    pad_value : int
    stride : int
        From one computed column to the next that is an output, in the role of depthwise layers.
    """

    walk: Walk
    inputs: tuple[Held, ...]
    output: Held
    operation: Operation
    source: Shape
    target: Shape
    window: Window
    bias: Ints
    requant: Requant
    levels: Ints | None = None
    reach: Reach | None = None
    layout: Window | None = None
    pad_value: int = 0
    stride: int = 1

    @property
    def node(self) -> Node:
        """What is computed."""
        return self.walk.node

    @property
    def name(self) -> str:
        """Of the tensor that is written, by which the layer is called."""
        return self.output.tensor.name

    @property
    def own_weights(self) -> int:
        """How many weights of the network the layer has; one that only copies has none."""
        walk, node = self.walk, self.walk.origin
        if not isinstance(node, Filters):
            return 0
        taps = node.weights[0].size
        if isinstance(node, ConvTranspose2d) and walk.taps is not None:
            taps = walk.taps.count * node.weights.shape[3]
        return int(taps) * len(self.filters)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of an inference."""
        node = self.walk.origin
        if not isinstance(node, Filters):
            return 0
        return node.macs(self.inputs[0].tensor) // node.weights.size * self.own_weights

    @property
    def takes_operands(self) -> bool:
        """Whether the taps are two operands at the same position, wherever their tensors lie."""
        return len(self.inputs) == 2

    @property
    def filters(self) -> range:
        """The channels that this layer makes of those of its pass."""
        return range(self.target[2]) if self.reach is None else self.reach.filters

    @property
    def terms(self) -> int:
        """Most terms a multiplier of this layer has."""
        return max([1, *(naf_weight(int(m)) for m in self.requant.multiplier)])


def lower_pass(
    one: Pass, config: EngineConfig, layout: Window | None = None, part: range | None = None
) -> Layer:
    """The layer of a pass, whose first input is laid out by ``layout``.

    All of it, or a ``part`` of its filters.
    """
    walk, node, x = one.walk, one.walk.node, one.inputs[0].tensor
    if walk.activation_terms > config.activation_terms:
        raise NhotError(
            f"Engine activation_terms must be at least {walk.activation_terms} for RoundTerms, not "
            f"{config.activation_terms}"
        )
    match node:
        case Conv2d() | Linear():
            return _array_layer(node, one, config, layout, part)
        case MaxPool():
            assert walk.requant is not None
            return _channel_layer(
                one, Operation.MAX, node.window, walk.requant, config, pad_value=-128
            )
        case AvgPool():
            return _channel_layer(
                one, Operation.SUM, node.window, node.requant, config,
                pad_value=x.zero_point + offset(x),
            )
        case Add():
            return _channel_layer(one, Operation.ADD, POINT, node.requant, config)
        case ArgMax():
            if config.inputs < 2:
                raise NhotError(f"Engine inputs must be at least 2, not {config.inputs}")
            stored = Requant(multiplier=np.array([UNIT]), zero_point=0, low=-128, high=127)
            return Layer(
                **vars(one), operation=Operation.ARGMAX, window=POINT, bias=np.array([0]),
                requant=stored, source=x.shape, target=node.output.shape,
            )
        case _:
            raise NhotError(
                "Operator must be one the engine runs (Conv2d, ConvTranspose2d, Linear, MaxPool, "
                "AvgPool, Upsample, Add, Concat, Clamp, RoundTerms, ArgMax), not "
                f"{type(walk.origin).__name__}"
            )


def _channel_layer(
    one: Pass, operation: Operation, window: Window, requant: Requant, config: EngineConfig, *,
    pad_value: int = 0,
) -> Layer:
    """A layer that treats every channel by itself, and so holes of its input as channels."""
    taps = window.taps if operation is Operation.SUM else 1
    tensors = [held.tensor for held in one.inputs]
    source = walked(one.inputs[0], config)
    return Layer(
        **vars(one), operation=operation, window=window, pad_value=pad_value,
        bias=np.array([-taps * (tensor.zero_point + offset(tensor)) for tensor in tensors]),
        requant=stored(requant, one.output.tensor), source=source,
        target=(*one.walk.node.output.shape[:2], source[2]),
    )


def walked(held: Held, config: EngineConfig) -> Shape:
    """Height, width and channels of a tensor, its holes counted."""
    height, width, _ = held.tensor.shape
    return height, width, int(held.places(config.inputs)[-1]) + 1


def _array_layer(
    node: Conv2d | Linear, one: Pass, config: EngineConfig, layout: Window | None,
    part: range | None,
) -> Layer:
    """Fold signs, the byte offset of the input and the lanes' missing ones into bias and scale."""
    (x,) = one.inputs
    if layout is None and takes_taps(node, x, config):
        return _depthwise_layer(node, one, config)
    folded, signs, words = lower_weights(node, x, config, layout, part)
    window = array_window(node, x.tensor)
    source, target = walked(x, config), node.output.shape
    if layout is not None:
        source, window = unfolded(source, layout), rest(window, layout)
    flat = _flat(window) and source[:2] == target[:2] and one.walk.phase == WHOLE
    if flat and _fewer_groups(source, config):
        source, target = ((1, height * width, count) for height, width, count in (source, target))
    return Layer(
        **vars(one), operation=Operation.ARRAY, window=window, levels=folded, reach=words,
        source=source, target=target, layout=layout,
        **_affine(node, x.tensor, folded, signs, words.filters),
    )


def _affine(
    node: Conv2d | Linear, x: Tensor, folded: Ints, signs: Ints, filters: range
) -> dict[str, Any]:
    """Bias, requantisation and padding of a layer whose lanes have the weights ``folded``."""
    own, shift = slice(filters.start, filters.stop), offset(x)
    # A stored activation is x + shift, so a sum over it exceeds the wanted one by shift * sum(w).
    bias = signs * node.bias[own] - shift * folded.sum(axis=(1, 2, 3, 4))
    multiplier = signs * node.requant.multiplier[own]
    requant = stored(replace(node.requant, multiplier=multiplier), node.output)
    return {"bias": bias, "requant": requant, "pad_value": x.zero_point + shift}


def _depthwise_layer(node: Conv2d, one: Pass, config: EngineConfig) -> Layer:
    """A walk through the columns of the input, which are words of their tile: three taps each.

    The padding before a row grows by what fills up the pixel groups that only read.
    """
    steps, signs = lower_taps(node, config)
    reach = Reach(filters=range(node.filters), first=0, words=1, distance=1)
    top, left, bottom, right = node.window.padding
    ahead = config.preloads * config.pixels - (DEPTHWISE_KERNEL - 1)
    window = Window(
        kernel=(DEPTHWISE_KERNEL, 1), stride=(node.window.stride[0], 1),
        padding=(top, left + ahead, bottom, right),
    )
    x = one.inputs[0].tensor
    return Layer(
        **vars(one), operation=Operation.DEPTHWISE, window=window, levels=steps, reach=reach,
        source=x.shape, target=node.output.shape, stride=node.window.stride[1],
        **_affine(node, x, steps, signs, reach.filters),
    )


def array_window(node: Conv2d | Linear, x: Tensor) -> Window:
    """The window of a convolution; that of a dense layer is its whole input."""
    return node.window if isinstance(node, Conv2d) else Window(kernel=x.shape[:2])


def _flat(window: Window) -> bool:
    """Whether a window sees one position after the other, whatever the rows."""
    return window == Window(kernel=(1, 1), dilation=window.dilation)


def _fewer_groups(source: Shape, config: EngineConfig) -> bool:
    """Whether positions in one row fill T pixels better than row by row, and can be counted."""
    height, width, _ = source
    fewer = -(-height * width // config.pixels) < height * -(-width // config.pixels)
    return fewer and height * width < 1 << FIELDS["width"]


def stored(requant: Requant, output: Tensor) -> Requant:
    """The requantisation to the integers as stored."""
    shift = offset(output)
    return replace(
        requant,
        zero_point=requant.zero_point + shift, low=requant.low + shift, high=requant.high + shift,
    )

