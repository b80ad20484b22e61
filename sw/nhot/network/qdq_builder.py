"""What every layer of an ONNX graph is made of: constants, QuantizeLinear and its limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nhot.errors import MissingToolError, NhotError
from nhot.network.tensor import Tensor

__all__ = ["GraphBuilder", "import_onnx"]

_NEAR = 0.01
"""Multipliers off by less are short sums of the scales' ratio (at most 0.58 %), no scaling."""


def import_onnx() -> Any:
    """The package onnx, or how to install it."""
    try:
        import onnx
    except ImportError:
        raise MissingToolError(
            "Network files need the package onnx; run: pip install 'nhot[onnx]'"
        ) from None
    return onnx


@dataclass(kw_only=True)
class GraphBuilder:
    """A graph under construction; values are called by the names of ONNX."""

    onnx: Any
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    names: set[str] = field(default_factory=set)  # taken
    initializers: dict[str, list[str]] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)  # tensor -> its dequantised value
    flat: set[str] = field(default_factory=set)  # tensors of (batch, channels)
    opset: int = 17

    def scaled(self, value: str, ratio: float, name: str) -> str:
        """``value * ratio``, where the ratio is more than a short sum's error off one."""
        if abs(ratio - 1) < _NEAR:
            return value
        factor = self.single(ratio, f"{name}/ratio")
        return self.add("Mul", [value, factor], name)

    def square(self, tensor: Tensor) -> str:
        """The value of ``tensor`` with four axes."""
        value = self.values[tensor.name]
        if tensor.name not in self.flat:
            return value
        axes = self.constant(np.array([2, 3]), f"{tensor.name}/axes")
        return self.add("Unsqueeze", [value, axes], f"{tensor.name}/square")

    def reshaped(self, value: str, sizes: tuple[int, ...]) -> str:
        shape = self.constant(np.array(sizes), f"{value}/shape")
        return self.add("Reshape", [value, shape], f"{value}/reshaped")

    def limit(self, value: str, tensor: Tensor, low: int, high: int) -> str:
        """``value`` limited to the integers ``low`` to ``high``, where its type does not do it."""
        least, greatest = (-128, 127) if tensor.signed else (0, 255)
        if (low, high) == (least, greatest):
            return value
        if low == tensor.zero_point and high == greatest:
            return self.add("Relu", [value], f"{tensor.name}/relu")
        ends = [
            self.single((end - tensor.zero_point) * tensor.scale, f"{tensor.name}/{which}")
            for which, end in (("low", low), ("high", high))
        ]
        return self.add("Clip", [value, *ends], f"{tensor.name}/clip")

    def quantise(self, value: str, tensor: Tensor, output: str) -> str:
        integers, grid = self.integers(value, tensor, f"{tensor.name}/quantized")
        return self.add("DequantizeLinear", [integers, *grid], output=(
            output if output == tensor.name else self.unique(output)
        ))

    def integers(self, value: str, tensor: Tensor, name: str) -> tuple[str, list[str]]:
        """The integers of ``value`` on the grid of ``tensor``, and its scale and zero point."""
        kind = np.int8 if tensor.signed else np.uint8
        unit = self.single(tensor.scale, f"{tensor.name}/scale")
        zero = self.constant(kind(tensor.zero_point), f"{tensor.name}/zero_point")
        return self.add("QuantizeLinear", [value, unit, zero], name), [unit, zero]

    def add(
        self, operator: str, inputs: list[str], name: str = "", *, output: str = "", doc: str = "",
        **attributes: Any,
    ) -> str:
        output = output or self.unique(name)
        self.nodes.append(
            self.onnx.helper.make_node(
                operator, inputs, [output], name=output, doc_string=doc or None, **attributes
            )
        )
        return output

    def single(self, values: Any, name: str) -> str:
        """A constant in single precision; numbers beyond its range are refused."""
        reals = np.asarray(values, np.float64)
        with np.errstate(over="ignore", under="ignore"):
            array = reals.astype(np.float32)
        bad = ~np.isfinite(array) | ((array == 0) != (reals == 0))
        if bad.any():
            raise NhotError(
                f"Number {name!r} of the network file must fit single precision, "
                f"not {reals[bad].flat[0]:g}"
            )
        return self.constant(array, name)

    def constant(self, array: Any, name: str) -> str:
        name = self.unique(name)
        self.constants.append(self.onnx.numpy_helper.from_array(np.asarray(array), name))
        return name

    def unique(self, name: str) -> str:
        while name in self.names:
            name += "_"
        self.names.add(name)
        return name
