"""Writes ONNX files of a few operators, right ones and wrong ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nhot.network.qdq_builder import import_onnx

__all__ = ["Writer"]


class Writer:
    """A file under construction; tensors are called by their names.

    Parameters
    ----------
    opset : int
    """

    def __init__(self, opset: int = 17):
        self.onnx, self.opset = import_onnx(), opset
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: ArrayLike, name: str = "") -> str:
        """A constant; its name."""
        name = name or f"constant_{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, kind: str, inputs: Sequence[str], *, outputs: int = 1, domain: str = "",
             name: str = "", **attributes: Any) -> str:
        """An operator; the name of its first output."""
        name = name or f"{kind.lower()}_{len(self.nodes)}"
        made = [f"{name}_{place}" if place else f"{name}_out" for place in range(outputs)]
        self.nodes.append(self.onnx.helper.make_node(
            kind, list(inputs), made, name, domain=domain, **attributes))
        return made[0] if made else ""

    def quantize(self, source: str, scale: float, zero: int, kind: Any = np.int8) -> str:
        """A QuantizeLinear and a DequantizeLinear of an activation."""
        grid = [self.constant(np.float32(scale)), self.constant(kind(zero))]
        return self.node("DequantizeLinear", [
            self.node("QuantizeLinear", [source, *grid]), *grid])

    def weights(self, codes: NDArray[Any], scale: Sequence[float] | float, axis: int = 0) -> str:
        """Integers behind a DequantizeLinear, with a scale for each filter or one for all."""
        scales = np.asarray(scale, np.float32)
        zeros = np.zeros(scales.shape, codes.dtype)
        return self.node("DequantizeLinear", [
            self.constant(codes), self.constant(scales), self.constant(zeros)], axis=axis)

    def finish(
        self, shape: Sequence[int | str | None], *results: str, type: str = "FLOAT",
        domains: Sequence[str] = (), source: str = "x",
    ) -> bytes:
        """The file, with the input ``x`` of ``shape``."""
        helper = self.onnx.helper
        kind = getattr(self.onnx.TensorProto, type)
        outputs = [self.onnx.ValueInfoProto(name=name) for name in results]
        for one in outputs:
            one.type.tensor_type.elem_type = kind
            one.type.tensor_type.shape.SetInParent()
        graph = helper.make_graph(
            self.nodes, "graph", [helper.make_tensor_value_info(source, kind, list(shape))],
            outputs, self.constants)
        for one in graph.output:  # of whatever sizes the operators make
            one.type.tensor_type.ClearField("shape")
        opsets = [helper.make_opsetid("", self.opset), *(helper.make_opsetid(one, 1)
                                                         for one in domains)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        data: bytes = model.SerializeToString(deterministic=True)
        return data
