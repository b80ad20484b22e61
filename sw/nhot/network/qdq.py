"""A network as a standard ONNX graph: QuantizeLinear and DequantizeLinear around every tensor.

The graph computes in real numbers what :mod:`nhot.network.reference` defines in integers. Other
tools may be off by one unit a layer: they round half to even, and in floating point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nhot.network.network import Network
from nhot.network.operators import (
    Add,
    ArgMax,
    AvgPool,
    Clamp,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Filters,
    Linear,
    MaxPool,
    Node,
    RoundTerms,
    Upsample,
    Window,
)
from nhot.network.qdq_builder import GraphBuilder, import_onnx
from nhot.network.qdq_filters import NO_SCALE, filters_to_onnx
from nhot.network.requant import SHIFT, Requant
from nhot.network.tensor import Tensor

if TYPE_CHECKING:
    import onnx

__all__ = ["Graph", "to_graph"]


@dataclass(frozen=True, kw_only=True)
class Graph:
    """An ONNX graph, the opset it needs, and its integer (weights, bias) initialisers by layer."""

    proto: onnx.GraphProto
    opset: int
    initializers: dict[str, list[str]]


def to_graph(network: Network) -> Graph:
    """The ONNX graph of ``network``.

    Tensors are (batch, channels, height, width), after a dense layer (batch, channels). The input
    and the output are real numbers, an argmax int64.
    """
    graph = _Builder(onnx=import_onnx(), names=set(network.tensors))
    graph.input(network.input)
    for node in network.nodes:
        graph.node(node, network.inputs(node))
    return Graph(
        proto=graph.finish(network), opset=graph.opset, initializers=graph.initializers
    )


@dataclass(kw_only=True)
class _Builder(GraphBuilder):
    """The operators of a network, one method each."""

    def input(self, tensor: Tensor) -> None:
        limited = self.limit(tensor.name, tensor, tensor.low, tensor.high)
        self.values[tensor.name] = self.quantise(limited, tensor, f"{tensor.name}/dequantized")

    def node(self, node: Node, tensors: tuple[Tensor, ...]) -> None:
        tensor = node.output
        if isinstance(node, ArgMax):
            (x,) = tensors
            self.add("ArgMax", [self.values[x.name]], output=tensor.name, axis=1, keepdims=1)
            self.values[tensor.name] = tensor.name
            if x.name in self.flat:
                self.flat.add(tensor.name)
            return
        real, (low, high) = self.operator(node, tensors)
        limited = self.limit(real, tensor, low, high)
        self.values[tensor.name] = self.quantise(limited, tensor, tensor.name)

    def operator(self, node: Node, tensors: tuple[Tensor, ...]) -> tuple[str, tuple[int, int]]:
        """The real value of ``node`` and the integers it is limited to."""
        x, *_ = tensors  # only sums and concatenations have more
        match node:
            case Conv2d():
                return self.convolution(node, x), _limits(node.requant)
            case ConvTranspose2d():
                return self.transposed(node, x), _limits(node.requant)
            case Linear():
                return self.dense(node, x), _limits(node.requant)
            case MaxPool():
                return self.largest(node, x), (x.low, x.high)
            case AvgPool():
                return self.average(node, x), _limits(node.requant)
            case Add():
                operands = self.operands(node, tensors)
                return self.add("Add", operands, f"{node.name}/sum"), _limits(node.requant)
            case Concat():
                operands = self.operands(node, tensors)
                joined = self.add("Concat", operands, f"{node.name}/joined", axis=1)
                return joined, _limits(node.requant)
            case Upsample():
                return self.upsample(node, x), (x.low, x.high)
            case Clamp():
                if x.name in self.flat:
                    self.flat.add(node.name)
                return self.values[x.name], (node.low, node.high)
            case RoundTerms():
                return self.looked_up(node, x), (x.low, x.high)
            case _:
                raise node.error(f"operator must be one ONNX has, not {type(node).__name__}")

    def convolution(self, node: Conv2d, x: Tensor) -> str:
        arguments = [self.square(x), *self.filters(node, x)]
        return self.add(
            "Conv", arguments, f"{node.name}/sum", doc=f"{node.format.name} weights",
            group=node.groups, **_attributes(node.window),
        )

    def transposed(self, node: ConvTranspose2d, x: Tensor) -> str:
        value, (weights, bias) = self.square(x), self.filters(node, x)
        # ONNX has the channels first, and the filters of one group only: too few for their scales,
        # which were applied in this project's order.
        filters, height, width, channels = node.weights.shape
        each = filters // node.groups
        weights = self.reshaped(weights, (node.groups, each, channels, height, width))
        weights = self.add("Transpose", [weights], f"{weights}/turned", perm=[0, 2, 1, 3, 4])
        weights = self.reshaped(weights, (node.groups * channels, each, height, width))
        return self.add(
            "ConvTranspose", [value, weights, bias], f"{node.name}/sum",
            doc=f"{node.format.name} weights", group=node.groups,
            output_padding=list(node.output_padding), **_attributes(node.window),
        )

    def dense(self, node: Linear, x: Tensor) -> str:
        value = self.values[x.name]
        if x.name not in self.flat:
            value = self.add("Flatten", [value], f"{x.name}/flat", axis=1)
        self.flat.add(node.name)
        return self.add(
            "Gemm", [value, *self.filters(node, x)], f"{node.name}/sum",
            doc=f"{node.format.name} weights", transB=1,
        )

    def largest(self, node: MaxPool, x: Tensor) -> str:
        lowest = (x.low - x.zero_point) * x.scale
        value, attributes = self.padded(node.window, x, lowest)
        return self.add("MaxPool", [value], f"{node.name}/largest", **attributes)

    def average(self, node: AvgPool, x: Tensor) -> str:
        window = node.window
        if window.kernel == x.shape[:2] and not any(window.padding):
            real = self.add("GlobalAveragePool", [self.square(x)], f"{node.name}/mean")
        else:
            value, attributes = self.padded(window, x, 0.0)
            if window.dilation == (1, 1):
                del attributes["dilations"]
            else:
                self.opset = max(self.opset, 19)
            real = self.add(
                "AveragePool", [value], f"{node.name}/mean", count_include_pad=1, **attributes
            )
        ratio = _real(node.requant)[0] * window.taps * node.output.scale / x.scale
        return self.scaled(real, ratio, f"{node.name}/scaled")

    def padded(self, window: Window, x: Tensor, fill: float) -> tuple[str, dict[str, Any]]:
        """The input of a pool and its attributes; padding as wide as the kernel is done before."""
        value, attributes = self.square(x), _attributes(window)
        top, left, bottom, right = window.padding
        if max(top, bottom) >= window.kernel[0] or max(left, right) >= window.kernel[1]:
            pads = self.constant(np.array([0, 0, top, left, 0, 0, bottom, right]), "pads")
            constant = self.single(fill, "fill")
            value = self.add("Pad", [value, pads, constant], f"{x.name}/padded")
            # Not as pads of zero: onnxruntime would fold the Pad into them and refuse the sum.
            del attributes["pads"]
            attributes["auto_pad"] = "VALID"
        return value, attributes

    def upsample(self, node: Upsample, x: Tensor) -> str:
        factors = self.constant(np.array([1, 1, *node.factors], np.float32), f"{node.name}/factors")
        return self.add(
            "Resize", [self.square(x), "", factors], f"{node.name}/resized", mode="nearest",
            coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        )

    def looked_up(self, node: RoundTerms, x: Tensor) -> str:
        if x.name in self.flat:
            self.flat.add(node.name)
        integers, _ = self.integers(self.values[x.name], x, f"{node.name}/integers")
        index = self.add("Cast", [integers], f"{node.name}/wide", to=self.onnx.TensorProto.INT32)
        lowest = self.constant(np.int32(x.low), f"{node.name}/lowest")
        index = self.add("Sub", [index, lowest], f"{node.name}/index")
        reals = (node.table - x.zero_point) * x.scale
        return self.add("Gather", [self.single(reals, f"{node.name}/table"), index],
                        f"{node.name}/rounded")

    def operands(self, node: Add | Concat, tensors: tuple[Tensor, ...]) -> list[str]:
        """The inputs of ``node`` on the scale of its output."""
        flat = all(tensor.name in self.flat for tensor in tensors)
        if flat:
            self.flat.add(node.name)
        return [
            self.scaled(
                self.values[tensor.name] if flat else self.square(tensor),
                multiplier * node.output.scale / tensor.scale, f"{node.name}/operand{i}",
            )
            for i, (tensor, multiplier) in enumerate(
                zip(tensors, _real(node.requant), strict=True)
            )
        ]

    def filters(self, node: Filters, x: Tensor) -> list[str]:
        """Dequantised weights and bias of ``node``."""
        weights, bias = filters_to_onnx(node, x)
        if weights.dtype == np.int16:
            self.opset = max(self.opset, 21)
        magnitude = np.abs(_real(node.requant))
        scale = np.where(magnitude > 0, magnitude, NO_SCALE) * node.output.scale / x.scale
        zeros = np.zeros(node.filters, weights.dtype)  # onnxruntime wants them to be exact
        values = []
        names = self.initializers[node.name] = []
        for what, array, real, zero in (
            ("weights", weights, scale, [zeros]), ("bias", bias, scale * x.scale, []),
        ):
            name = self.constant(array, f"{node.name}/{what}")
            names.append(name)
            grid = [self.single(real, f"{name}/scale")]
            grid += [self.constant(values, f"{name}/zero_point") for values in zero]
            values.append(
                self.add("DequantizeLinear", [name, *grid], f"{name}/dequantized", axis=0)
            )
        return values

    def finish(self, network: Network) -> Any:
        kind = self.onnx.TensorProto

        def info(tensor: Tensor, flat: bool) -> Any:
            height, width, channels = tensor.shape
            shape = ["batch", channels] if flat else ["batch", channels, height, width]
            element = kind.INT64 if tensor.bits == 16 else kind.FLOAT
            return self.onnx.helper.make_tensor_value_info(tensor.name, element, shape)

        return self.onnx.helper.make_graph(
            self.nodes, network.name, [info(network.input, False)],
            [info(network.output, network.output.name in self.flat)], self.constants,
        )


def _real(requant: Requant) -> NDArray[np.float64]:
    return np.asarray(requant.multiplier / 2.0**SHIFT, dtype=np.float64)


def _limits(requant: Requant) -> tuple[int, int]:
    return requant.low, requant.high


def _attributes(window: Window) -> dict[str, Any]:
    return {
        "kernel_shape": list(window.kernel), "strides": list(window.stride),
        "pads": list(window.padding), "dilations": list(window.dilation),
    }
