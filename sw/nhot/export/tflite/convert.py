"""From a network to the tensors and operators of a TensorFlow Lite file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nhot.export.tflite.grid import FUSED, limits, shift, zero_point
from nhot.export.tflite.writer import Writer
from nhot.frontends.conventions import same_window
from nhot.network import Network, Tensor, Window
from nhot.network.node import Node

__all__ = ["Converter", "Exported", "stored", "to_tflite"]

_SAME, _VALID = 0, 1


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A file.

    Parameters
    ----------
    data : bytes
    tensors : dict
        The index of each tensor of the network, by its name.
    """

    data: bytes
    tensors: Mapping[str, int]


def to_tflite(network: Network) -> Exported:
    """``network`` as an int8 model of TensorFlow Lite, for a batch of one.

    Every tensor is one of signed bytes with the network's scale; unsigned integers are less 128
    there. The interpreter's kernels round otherwise than the reference does, by one unit at most in
    each tensor.

    Raises
    ------
    NhotError
        A layer is none of what TensorFlow Lite can express: it is named, with the reason.
    MissingToolError
        The packages tflite and flatbuffers are not installed.
    """
    from nhot.export.tflite.layers import convert

    made = Converter(network)
    for node in network.nodes:
        convert(made, node, network.inputs(node))
    last = made.tensors[network.output_name]
    return Exported(data=made.writer.finish(made.tensors[network.input.name], last),
                    tensors=made.tensors)


class Converter:
    """Adds operators to a file; remembers what became of each tensor of the network.

    Tensors are (1, height, width, channels), or (1, channels) after a dense layer and where the
    network's input is a vector.
    """

    def __init__(self, network: Network):
        self.writer = Writer()
        self.tensors: dict[str, int] = {}
        self.flat: set[str] = set()
        tensor = network.input
        if tensor.shape[:2] == (1, 1):
            self.flat.add(tensor.name)
        self.tensors[tensor.name] = self.activation(
            tensor, tensor.name, flat=tensor.name in self.flat)

    def activation(
        self, tensor: Tensor, name: str, *, shape: Sequence[int] | None = None, flat: bool = False,
        scale: float | None = None, zero: int | None = None,
    ) -> int:
        """A tensor of bytes on the grid of ``tensor``, or on another one."""
        sizes = (1, tensor.shape[2]) if flat else (1, *(shape or tensor.shape))
        return self.writer.activation(
            sizes, float(np.float32(tensor.scale if scale is None else scale)),
            zero_point(tensor) if zero is None else zero, name=name,
        )

    def numbers(self, values: ArrayLike) -> int:
        """A constant of indices or sizes."""
        return self.writer.constant(np.asarray(values, np.int32))

    def bytes(self, values: ArrayLike, scale: ArrayLike, zero: int = 0, axis: int = 0) -> int:
        """A constant of signed bytes on a grid, or on one for each index along an axis."""
        scales = np.atleast_1d(np.asarray(scale, np.float32))
        return self.writer.constant(np.asarray(values, np.int8), scale=scales,
                                    zero=[zero] * len(scales), axis=axis)

    def bias(self, values: NDArray[np.int32], scale: NDArray[np.float32]) -> int:
        """Biases, which count products of units."""
        return self.writer.constant(values, scale=scale, zero=[0] * len(scale))

    def square(self, tensor: Tensor) -> int:
        """The index of ``tensor`` with four axes."""
        index = self.tensors[tensor.name]
        if tensor.name not in self.flat:
            return index
        return self.reshaped(tensor, index, tensor.shape, f"{tensor.name}/square")

    def vector(self, tensor: Tensor) -> int:
        """The index of ``tensor`` with all elements along one axis, in the network's order."""
        index = self.tensors[tensor.name]
        if tensor.name in self.flat:
            return index
        return self.reshaped(tensor, index, (tensor.size,), f"{tensor.name}/flat")

    def reshaped(self, tensor: Tensor, index: int, shape: Sequence[int], name: str) -> int:
        """The same elements in another shape."""
        made = self.activation(tensor, name, shape=shape)
        return self.writer.operator("RESHAPE", [index, self.numbers([1, *shape])], made)

    def limited(
        self, node: Node, kind: str, inputs: Sequence[int], low: int, high: int,
        options: str = "", *, fused: bool = True, flat: bool = False, **members: Any,
    ) -> None:
        """An operator that makes the output of ``node``, limited to the integers ``low`` to
        ``high``; ``fused`` says whether the operator takes an activation function."""
        tensor = node.output
        found = limits(tensor, low, high)
        ends: list[tuple[str, int | None]] = [("MAXIMUM", found.low), ("MINIMUM", found.high)]
        steps: list[tuple[str, int | None]] = [one for one in ends if one[1] is not None]
        if found.activation != "NONE" and not fused:
            steps.insert(0, (found.activation, None))
        if fused:
            members["FusedActivationFunction"] = FUSED[found.activation]
        names = [f"{tensor.name}/{kind.lower()}",
                 *(f"{tensor.name}/{step.lower()}" for step, _ in steps)]
        names[-1] = tensor.name
        index = self.writer.operator(
            kind, inputs, self.activation(tensor, names[0], flat=flat), options, **members)
        for (step, end), name in zip(steps, names[1:], strict=True):
            bound = [] if end is None else [self.bytes([end], tensor.scale, zero_point(tensor))]
            table = "MaximumMinimumOptions" if bound else ""
            index = self.writer.operator(step, [index, *bound],
                                         self.activation(tensor, name, flat=flat), table)
        self.tensors[node.name] = index
        if flat:
            self.flat.add(node.name)

    def framed(
        self, tensor: Tensor, window: Window, *, lowest: bool = False
    ) -> tuple[int, int]:
        """What a window goes over, and its padding: SAME where that is the same, else VALID.

        Other padding is done before, with zero points, or with what is below all.
        """
        index, padding = self.square(tensor), window.padding
        if not any(padding):
            return index, _VALID
        same = same_window(tensor.shape[:2], window.kernel, window.stride, window.dilation)
        if same == window:
            return index, _SAME
        top, left, bottom, right = padding
        height, width, channels = tensor.shape
        made = self.activation(tensor, f"{tensor.name}/padded",
                               shape=(height + top + bottom, width + left + right, channels))
        sides = self.numbers([[0, 0], [top, bottom], [left, right], [0, 0]])
        if not lowest:
            return self.writer.operator("PAD", [index, sides], made, "PadOptions"), _VALID
        fill = self.bytes([-128], tensor.scale, zero_point(tensor))
        return self.writer.operator("PADV2", [index, sides, fill], made, "PadV2Options"), _VALID

    def same_as(self, node: Node, source: Tensor) -> None:
        """Let ``node`` make what is there already."""
        self.tensors[node.name] = self.tensors[source.name]
        if source.name in self.flat:
            self.flat.add(node.name)


def stored(tensor: Tensor, value: int) -> int:
    """An integer of ``tensor`` as a signed byte."""
    return value + shift(tensor)
