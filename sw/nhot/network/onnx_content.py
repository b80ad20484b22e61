"""What an ONNX file holds, checked before any of it is used.

Only what nhot writes is let in: constants in the file itself, of plain types, as many bytes as
their shapes say, and plain attributes. So nothing is read from another file, allocated by a number
that no bytes stand behind, or nested.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.network.qdq_builder import import_onnx
from nhot.printable import shortened

if TYPE_CHECKING:
    import onnx

__all__ = ["constants_of", "digest", "parse_model", "properties_of"]

Constants = dict[str, NDArray[Any]]

_TYPES = ("INT8", "UINT8", "INT16", "INT32", "INT64", "FLOAT")
_ATTRIBUTES = ("INT", "INTS", "FLOAT", "STRING")


def parse_model(data: bytes) -> Any:
    """The ``ModelProto`` in ``data``; what is no ONNX is refused."""
    onnx = import_onnx()
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        return onnx.ModelProto.FromString(data)
    except (DecodeError, ValueError):
        raise NhotError("Network file must be ONNX; it is something else, or truncated") from None


def properties_of(model: onnx.ModelProto) -> dict[str, str]:
    """The metadata by key."""
    properties: dict[str, str] = {}
    for entry in model.metadata_props:
        key, value = entry.key, entry.value
        if not isinstance(key, str) or not isinstance(value, str):  # protobuf's broken UTF-8
            raise NhotError(f"Network file metadata {shortened(key)} must be text")
        if key in properties:
            raise NhotError(f"Network file must have the metadata {shortened(key)} once, not twice")
        properties[key] = value
    return properties


def constants_of(graph: onnx.GraphProto) -> Constants:
    """The initialisers by name."""
    onnx = import_onnx()
    types = {
        getattr(onnx.TensorProto, name): np.dtype(name.lower().replace("float", "float32"))
        for name in _TYPES
    }
    constants: Constants = {}
    for tensor in graph.initializer:
        what = f"Network file initialiser {shortened(tensor.name)}"
        if tensor.external_data or tensor.data_location != onnx.TensorProto.DEFAULT:
            raise NhotError(f"{what} must be in the file itself, not in another one")
        if tensor.data_type not in types:
            raise NhotError(f"{what} must have a type of {', '.join(_TYPES)}, "
                            f"not number {tensor.data_type}")
        kind, shape = types[tensor.data_type], tuple(tensor.dims)
        expected = math.prod(shape) * kind.itemsize
        if min(shape, default=0) < 0 or len(shape) > 8 or len(tensor.raw_data) != expected:
            raise NhotError(f"{what} must be sound; it has {len(tensor.raw_data)} bytes of data "
                            f"and the shape {shortened(shape)} of {kind}")
        if tensor.name in constants:
            raise NhotError(f"{what} must have a name of its own")
        little = np.frombuffer(tensor.raw_data, kind.newbyteorder("<"))
        constants[tensor.name] = little.astype(kind).reshape(shape)
    return constants


def digest(graph: onnx.GraphProto, constants: Constants, manifest: str) -> str:
    """SHA-256 of what the graph says, however its protobuf is written."""
    onnx = import_onnx()
    plain = {getattr(onnx.AttributeProto, name) for name in _ATTRIBUTES}
    result = hashlib.sha256(manifest.encode())
    for name, array in constants.items():
        result.update(f"{name} {array.dtype} {array.shape}\n".encode())
        result.update(array.tobytes())
    for node in graph.node:
        result.update(f"{node.op_type} {list(node.input)} {list(node.output)}\n".encode())
        for attribute in sorted(node.attribute, key=lambda attribute: str(attribute.name)):
            if attribute.type not in plain or attribute.ref_attr_name:
                raise NhotError(f"Network file attribute {shortened(attribute.name)} must be of "
                                f"{', '.join(_ATTRIBUTES)}, not of type {attribute.type}")
            value = onnx.helper.get_attribute_value(attribute)
            result.update(f"{attribute.name} {value!r}\n".encode())
    return result.hexdigest()
