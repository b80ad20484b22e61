"""The protobuf of an ONNX file as plain data, with nothing in it taken on trust.

Source: ``onnx.proto`` of ONNX, as the package onnx has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from nhot.errors import MissingToolError, NhotError
from nhot.frontends.onnx.tensors import TensorReader, text
from nhot.printable import shortened

__all__ = ["OPSETS", "File", "NodeInfo", "ValueInfo", "parse"]

OPSETS = range(7, 28)
"""Versions of the operators of ONNX that are known."""

DOMAINS = {
    "": "", "ai.onnx": "", "com.microsoft": "", "qonnx.custom_op.general": "",
    "finn.custom_op.general": "", "onnx.brevitas": "",
}
"""Whose operators are known by their names alone."""

MOST_NODES = 1 << 16


@dataclass(frozen=True, kw_only=True, eq=False)
class NodeInfo:
    """An operator.

    Parameters
    ----------
    kind : str
        What it is called; with its domain where that is none of ONNX or QONNX.
    name : str
        Empty where the file has none.
    inputs, outputs : tuple of str
        Names of tensors; empty for those left out.
    attributes : dict
        Numbers, lists of numbers, texts and arrays; None in place of all else.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ValueInfo:
    """An input or output: its type as ONNX calls it, and its sizes, -1 for those not fixed."""

    name: str
    type: str
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class File:
    """The main graph of a file, in the order of the file."""

    nodes: tuple[NodeInfo, ...]
    input: ValueInfo
    output: ValueInfo
    constants: dict[str, NDArray[Any]]
    opset: int


def parse(data: bytes, folder: Path | None = None) -> File:
    """What ``data`` holds; weights that are not in it are in files in ``folder``.

    Raises
    ------
    NhotError
        It is no ONNX file or not a whole one, or its constants are not sound.
    MissingToolError
        The package onnx is not installed.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    except ImportError:
        raise MissingToolError(
            "Reading .onnx files needs the package onnx; run: pip install 'nhot[onnx]'"
        ) from None
    try:
        model = onnx.ModelProto.FromString(data)
    except (DecodeError, ValueError):
        raise NhotError("Model must be a whole ONNX file, which it is not") from None
    opset = _opset(model)
    graph = model.graph
    if len(graph.node) > MOST_NODES:
        raise NhotError(f"Model must have at most {MOST_NODES:,} operators, not "
                        f"{len(graph.node):,}")
    reader = TensorReader(onnx, folder)
    constants = _constants(graph, reader)
    inputs = [one for one in graph.input if text(one.name) not in constants]
    for what, values in (("input", inputs), ("output", graph.output)):
        if len(values) != 1:
            raise NhotError(f"Model must have one {what}, not {len(values)}")
    return File(
        nodes=tuple(_node(onnx, node, reader) for node in graph.node),
        input=_value(onnx, inputs[0]), output=_value(onnx, graph.output[0]), constants=constants,
        opset=opset,
    )


def _opset(model: Any) -> int:
    versions = [one.version for one in model.opset_import if text(one.domain) in {"", "ai.onnx"}]
    if len(versions) != 1 or versions[0] not in OPSETS:
        found = ", ".join(map(str, versions[:3])) or "none"
        raise NhotError(f"Model must have one version of ONNX's operators of {OPSETS.start} to "
                        f"{OPSETS.stop - 1}, not {found}")
    return int(versions[0])


def _constants(graph: Any, reader: TensorReader) -> dict[str, NDArray[Any]]:
    if len(graph.sparse_initializer):
        raise NhotError(f"Model must have no sparse constants, not {len(graph.sparse_initializer)}")
    constants: dict[str, NDArray[Any]] = {}
    for tensor in graph.initializer:
        name = text(tensor.name)
        if name in constants:
            raise NhotError(f"Constant {shortened(name)} must be there once, not twice")
        constants[name] = reader.array(tensor, f"Constant {shortened(name)}")
    return constants


def _value(onnx: Any, value: Any) -> ValueInfo:
    name, kind = text(value.name), value.type.tensor_type
    if value.type.WhichOneof("value") != "tensor_type":
        raise NhotError(f"Input and output must be tensors, not {shortened(name)} "
                        f"of {value.type.WhichOneof('value') or 'no type'}")
    sizes = tuple(
        int(one.dim_value) if one.WhichOneof("value") == "dim_value" else -1
        for one in kind.shape.dim
    )
    names = onnx.TensorProto.DataType
    known = kind.elem_type in names.values()
    return ValueInfo(name=name, shape=sizes, type=names.Name(kind.elem_type) if known else (
        f"number {kind.elem_type}"))


def _node(onnx: Any, node: Any, reader: TensorReader) -> NodeInfo:
    domain, kind = text(node.domain), text(node.op_type)
    name = text(node.name)
    return NodeInfo(
        kind=kind if domain in DOMAINS else f"{domain}::{kind}", name=name,
        inputs=tuple(map(text, node.input)), outputs=tuple(map(text, node.output)),
        attributes={
            text(one.name): _attribute(onnx, one, reader, f"Constant in operator {shortened(name)}")
            for one in node.attribute
        },
    )


def _attribute(onnx: Any, attribute: Any, reader: TensorReader, what: str) -> Any:
    kinds = onnx.AttributeProto
    if attribute.ref_attr_name:
        return None
    match attribute.type:
        case kinds.INT:
            return int(attribute.i)
        case kinds.FLOAT:
            return float(attribute.f)
        case kinds.STRING:
            return text(attribute.s)
        case kinds.INTS:
            return [int(one) for one in attribute.ints]
        case kinds.FLOATS:
            return [float(one) for one in attribute.floats]
        case kinds.TENSOR:
            return reader.array(attribute.t, what)
        case _:
            return None
