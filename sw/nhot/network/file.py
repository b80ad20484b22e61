"""The network file: standard ONNX for other tools, and every integer for this one.

The graph is plain int8 QDQ, which Netron shows and onnxruntime runs. The metadata hold what ONNX
cannot say (formats, integer multipliers, clamps), so that :func:`load` gives back exactly the
network that :func:`save` was given:

``nhot.version``
    Version of this layout.
``nhot.network``
    JSON of :mod:`nhot.network.manifest`; weights and biases are the graph's initialisers.
``nhot.digest``
    SHA-256 over the network and the graph: a file changed by another tool is refused rather than
    read as what it was before.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nhot
from nhot.errors import NhotError
from nhot.files import write_atomically
from nhot.filetype import expect
from nhot.network.manifest import Arrays, from_manifest, to_manifest
from nhot.network.network import Network
from nhot.network.qdq import to_graph
from nhot.network.qdq_builder import import_onnx
from nhot.network.qdq_filters import filters_from_onnx
from nhot.network.requant import Requant
from nhot.network.tensor import Tensor

if TYPE_CHECKING:
    import onnx

__all__ = ["VERSION", "from_bytes", "load", "save", "to_bytes"]

VERSION = 1

_IR_VERSIONS = {17: 8, 19: 9, 21: 10}  # the oldest that may carry each opset


def save(network: Network, path: str | os.PathLike[str]) -> None:
    """Write ``network`` to an ONNX file; the same bytes for the same network."""
    write_atomically(path, to_bytes(network))


def load(path: str | os.PathLike[str]) -> Network:
    """Read a network that :func:`save` wrote; anything else is refused, naming the file."""
    expect(path, "network")
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise NhotError(f"File {str(path)!r} could not be read: {error.strerror}") from None
    try:
        return from_bytes(data)
    except NhotError as error:
        if error.exit_code != NhotError.exit_code:
            raise  # a missing package is not the file's fault
        raise NhotError(f"File {str(path)!r}: {error}") from None


def to_bytes(network: Network) -> bytes:
    """The network file as bytes."""
    onnx = import_onnx()
    graph = to_graph(network)
    values = {**to_manifest(network), "initializers": graph.initializers}
    manifest = json.dumps(values, sort_keys=True, separators=(",", ":"))
    model = onnx.helper.make_model(
        graph.proto, producer_name="nhot", producer_version=nhot.__version__,
        opset_imports=[onnx.helper.make_opsetid("", graph.opset)],
        ir_version=_IR_VERSIONS[graph.opset],
    )
    onnx.helper.set_model_props(
        model,
        {
            "nhot.version": str(VERSION),
            "nhot.network": manifest,
            "nhot.digest": _digest(graph.proto, manifest),
        },
    )
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def from_bytes(data: bytes) -> Network:
    """The network in the bytes of a network file."""
    model = _parse(data)
    properties = {str(entry.key): entry.value for entry in model.metadata_props}
    if "nhot.version" not in properties:
        raise NhotError("Network file must have been written by nhot; it has no nhot metadata")
    version = properties["nhot.version"]
    if version != str(VERSION):
        version = str(version)
        newer = version.isdecimal() and len(version) < 9 and int(version) > VERSION
        hint = "; this file needs a newer nhot" if newer else ""
        raise NhotError(f"Network file version must be {VERSION}, not {version[:20]!r}{hint}")
    for key in ("nhot.network", "nhot.digest"):
        if key not in properties:
            raise NhotError(f"Network file must have the metadata {key!r}")
        if not isinstance(properties[key], str):  # what protobuf gives for broken UTF-8
            raise NhotError(f"Network file metadata {key!r} must be text")
    manifest = properties["nhot.network"]
    if _digest(model.graph, manifest) != properties["nhot.digest"]:
        raise NhotError(
            "Network file must match its digest; it was changed after nhot wrote it, or damaged"
        )
    return _network(manifest, model.graph)


def _parse(data: bytes) -> Any:
    onnx = import_onnx()
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        return onnx.load_model_from_string(data)
    except (DecodeError, ValueError):
        raise NhotError("Network file must be ONNX; it is something else, or truncated") from None


def _network(manifest: str, graph: onnx.GraphProto) -> Network:
    try:
        values = json.loads(manifest)
        arrays = _arrays(values, graph)
    except NhotError:
        raise
    except KeyError as error:
        raise NhotError(f"Network file must have {error}") from None
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise NhotError(f"Network file must describe a network: {error}") from None
    return from_manifest(values, arrays)


def _arrays(values: dict[str, Any], graph: onnx.GraphProto) -> Arrays:
    onnx = import_onnx()
    constants = {tensor.name: tensor for tensor in graph.initializer}
    shapes = {node["output"]["name"]: node["output"] for node in values["nodes"]}
    shapes[values["input"]["name"]] = values["input"]
    arrays: Arrays = {}
    for node in values["nodes"]:
        if "format" not in node:
            continue
        name = node["output"]["name"]
        weights, bias = (
            onnx.numpy_helper.to_array(constants[key]) for key in values["initializers"][name]
        )
        x = Tensor(**shapes[node["inputs"][0]])
        requant = Requant(**node["requant"])
        arrays[name] = filters_from_onnx(node["operator"], weights, bias, requant, x)
    return arrays


def _digest(graph: onnx.GraphProto, manifest: str) -> str:
    """SHA-256 of what the graph says, however its protobuf is written."""
    onnx = import_onnx()
    digest = hashlib.sha256(manifest.encode())
    for tensor in graph.initializer:
        try:
            array = onnx.numpy_helper.to_array(tensor)
        except (TypeError, ValueError, KeyError) as error:
            raise NhotError(f"Network file must have sound initialisers: {error}") from None
        digest.update(f"{tensor.name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    for node in graph.node:
        digest.update(f"{node.op_type} {list(node.input)} {list(node.output)}\n".encode())
        for attribute in sorted(node.attribute, key=lambda attribute: str(attribute.name)):
            value = onnx.helper.get_attribute_value(attribute)
            digest.update(f"{attribute.name} {value!r}\n".encode())
    return digest.hexdigest()
