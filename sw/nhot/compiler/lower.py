"""From the nodes of a network to layers an engine can run.

Lowering makes every number what the engine holds: activations as signed bytes, weights as levels of
the engine's format, biases with everything folded in that is known beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nhot.compiler.layout import offset
from nhot.compiler.steps import Reach
from nhot.compiler.unfold import rest, unfolded
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
    Clamp,
    Conv2d,
    Linear,
    MaxPool,
    Network,
    Node,
    Requant,
    Tensor,
    Window,
)
from nhot.network.requant import SHIFT
from nhot.network.tensor import Shape

__all__ = ["Layer", "array_window", "fuse_clamps", "lower_node"]

_UNIT = 1 << SHIFT


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One pass of the engine over its input: a node, or some of the filters of one.

    Parameters
    ----------
    node : Node
        Where the layer comes from; its output tensor is the layer's.
    operation : Operation
    inputs : tuple of Tensor
    source, target : (height, width, channels)
        Of input and output as the layer walks them.
    window : Window
        That it walks its source with.
    layout : Window, array operations only
        How its input is laid out (:class:`nhot.compiler.layout.Placement`).
    levels : (filters, kernel_y, kernel_x, words, S) int64, array operations only
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

    node: Node
    operation: Operation
    inputs: tuple[Tensor, ...]
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
    def output(self) -> Tensor:
        """The tensor this layer makes."""
        return self.node.output

    @property
    def filters(self) -> range:
        """The channels of the output that this layer makes."""
        return range(self.target[2]) if self.reach is None else self.reach.filters

    @property
    def terms(self) -> int:
        """Most terms a multiplier of this layer has."""
        return max([1, *(naf_weight(int(m)) for m in self.requant.multiplier)])


def fuse_clamps(network: Network) -> list[Node]:
    """Move a clamp into the requantisation before it, where nothing else reads that tensor."""
    nodes: dict[str, Node] = {}
    for node in network.nodes:
        before = nodes.get(node.inputs[0])
        if (
            isinstance(node, Clamp)
            and isinstance(before, Conv2d | Linear | AvgPool | Add)
            and len(network.consumers(before.name)) == 1
            and before.name != network.output.name
        ):
            del nodes[before.name]
            low, high = np.clip([before.requant.low, before.requant.high], node.low, node.high)
            requant = replace(before.requant, low=int(low), high=int(high))
            nodes[node.name] = replace(before, output=node.output, requant=requant)
        else:
            nodes[node.name] = node
    return list(nodes.values())


def lower_node(
    node: Node, inputs: tuple[Tensor, ...], config: EngineConfig, layout: Window | None = None,
    part: range | None = None,
) -> Layer:
    """The layer of one node, whose first input is laid out by ``layout``.

    All of it, or a ``part`` of its filters.
    """
    source, target = inputs[0].shape, node.output.shape
    match node:
        case Conv2d() | Linear():
            return _array_layer(node, inputs, config, layout, part)
        case MaxPool():
            return _copy_layer(node, Operation.MAX, node.window, inputs, pad_value=-128)
        case Clamp():
            shift = offset(node.output)
            return _copy_layer(
                node, Operation.MAX, Window(kernel=(1, 1)), inputs,
                low=node.low + shift, high=node.high + shift,
            )
        case ArgMax():
            if config.inputs < 2:
                raise NhotError(f"Engine inputs must be at least 2, not {config.inputs}")
            return _copy_layer(node, Operation.ARGMAX, Window(kernel=(1, 1)), inputs)
        case AvgPool():
            zero = inputs[0].zero_point + offset(inputs[0])
            bias = np.array([-node.window.taps * zero])
            return Layer(
                node=node, operation=Operation.SUM, inputs=inputs, window=node.window, bias=bias,
                requant=_stored(node.requant, node.output), pad_value=zero, source=source,
                target=target,
            )
        case Add():
            bias = np.array([-(t.zero_point + offset(t)) for t in inputs])
            return Layer(
                node=node, operation=Operation.ADD, inputs=inputs, window=Window(kernel=(1, 1)),
                bias=bias, requant=_stored(node.requant, node.output), source=source, target=target,
            )
        case _:
            raise NhotError(
                "Operator must be one the engine runs (Conv2d, Linear, MaxPool, AvgPool, Add, "
                f"Clamp, ArgMax), not {type(node).__name__}"
            )


def _array_layer(
    node: Conv2d | Linear, inputs: tuple[Tensor, ...], config: EngineConfig, layout: Window | None,
    part: range | None,
) -> Layer:
    """Fold signs, the byte offset of the input and the lanes' missing ones into bias and scale."""
    if layout is None and takes_taps(node, config):
        return _depthwise_layer(node, inputs, config)
    folded, signs, words = lower_weights(node, inputs[0], config, layout, part)
    window = array_window(node, inputs[0])
    source, target = inputs[0].shape, node.output.shape
    if layout is not None:
        source, window = unfolded(source, layout), rest(window, layout)
    if _flat(window) and _fewer_groups(source, config):
        source, target = ((1, height * width, count) for height, width, count in (source, target))
    return Layer(
        node=node, operation=Operation.ARRAY, inputs=inputs, window=window, levels=folded,
        reach=words, source=source, target=target, layout=layout,
        **_affine(node, inputs[0], folded, signs, words.filters),
    )


def _affine(
    node: Conv2d | Linear, x: Tensor, folded: Ints, signs: Ints, filters: range
) -> dict[str, Any]:
    """Bias, requantisation and padding of a layer whose lanes have the weights ``folded``."""
    own, shift = slice(filters.start, filters.stop), offset(x)
    # A stored activation is x + shift, so a sum over it exceeds the wanted one by shift * sum(w).
    bias = signs * node.bias[own] - shift * folded.sum(axis=(1, 2, 3, 4))
    multiplier = signs * node.requant.multiplier[own]
    requant = _stored(replace(node.requant, multiplier=multiplier), node.output)
    return {"bias": bias, "requant": requant, "pad_value": x.zero_point + shift}


def _depthwise_layer(node: Conv2d, inputs: tuple[Tensor, ...], config: EngineConfig) -> Layer:
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
    return Layer(
        node=node, operation=Operation.DEPTHWISE, inputs=inputs, window=window, levels=steps,
        reach=reach, source=inputs[0].shape, target=node.output.shape,
        stride=node.window.stride[1], **_affine(node, inputs[0], steps, signs, reach.filters),
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


def _copy_layer(
    node: Node, operation: Operation, window: Window, inputs: tuple[Tensor, ...], *,
    pad_value: int = 0, low: int = -128, high: int = 127,
) -> Layer:
    """A layer whose requantisation passes the stored byte through."""
    requant = Requant(multiplier=np.array([_UNIT]), zero_point=0, low=low, high=high)
    return Layer(
        node=node, operation=operation, inputs=inputs, window=window, bias=np.array([0]),
        requant=requant, pad_value=pad_value, source=inputs[0].shape, target=node.output.shape,
    )


def _stored(requant: Requant, output: Tensor) -> Requant:
    """The requantisation to the integers as stored."""
    shift = offset(output)
    return replace(
        requant,
        zero_point=requant.zero_point + shift, low=requant.low + shift, high=requant.high + shift,
    )

