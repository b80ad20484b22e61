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

import json
import os
from typing import Any, NamedTuple

from numpy.typing import NDArray

import nhot
from nhot.errors import NhotError
from nhot.files import read_file, write_atomically
from nhot.filetype import expect
from nhot.network.manifest import Arrays, Manifest, from_manifest, parse_manifest, to_manifest
from nhot.network.network import Network
from nhot.network.onnx_content import constants_of, digest, parse_model, properties_of
from nhot.network.qdq import to_graph
from nhot.network.qdq_builder import import_onnx
from nhot.network.qdq_filters import filters_from_onnx

__all__ = ["MOST_BYTES", "OPTION", "VERSION", "NetworkFile", "from_bytes", "load", "read", "save",
           "to_bytes"]

VERSION = 2
"""Since 2 the weights have zero points. Files of version 1 are read, too."""

OPTION = ("session.x64quantprecision", "1")
"""The entry of onnxruntime's session options that makes its sums exact.

Where an x86-64 processor has AVX2 or AVX-512 without VNNI, onnxruntime adds pairs of products in 16
bits, which saturate; this makes it widen them. Other processors are not touched by it. It takes the
zero points of weights, which files of version 1 do not have.
"""

MOST_BYTES = 1 << 30
"""A file is refused beyond, so that an endless one (a device, a pipe) ends."""

_IR_VERSIONS = {17: 8, 19: 9, 21: 10}  # the oldest that may carry each opset


class NetworkFile(NamedTuple):
    """A network, and the version of the layout of the file that it was read from."""

    network: Network
    version: int


def save(network: Network, path: str | os.PathLike[str]) -> None:
    """Write ``network`` to an ONNX file; the same bytes for the same network.

    To run it in onnxruntime, add :data:`OPTION` to the session's options.
    """
    write_atomically(path, to_bytes(network))


def load(path: str | os.PathLike[str]) -> Network:
    """Read a network that :func:`save` wrote; anything else is refused, naming the file."""
    return read(path).network


def read(path: str | os.PathLike[str]) -> NetworkFile:
    """As :func:`load`, with the version of the file."""
    expect(path, "network")
    data = read_file(path, "File", MOST_BYTES)
    try:
        return _read(data)
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
            "nhot.digest": digest(graph.proto, constants_of(graph.proto), manifest),
        },
    )
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def from_bytes(data: bytes) -> Network:
    """The network in the bytes of a network file."""
    return _read(data).network


def _read(data: bytes) -> NetworkFile:
    model = parse_model(data)
    properties = properties_of(model)
    if "nhot.version" not in properties:
        raise NhotError("Network file must have been written by nhot; it has no nhot metadata")
    version = _version(properties["nhot.version"])
    for key in ("nhot.network", "nhot.digest"):
        if key not in properties:
            raise NhotError(f"Network file must have the metadata {key!r}")
    text, constants = properties["nhot.network"], constants_of(model.graph)
    if digest(model.graph, constants, text) != properties["nhot.digest"]:
        raise NhotError(
            "Network file must match its digest; it was changed after nhot wrote it, or damaged"
        )
    manifest = parse_manifest(text)
    return NetworkFile(from_manifest(manifest, _arrays(manifest, constants)), version)


def _version(text: str) -> int:
    try:
        number = int(text)
    except ValueError:  # no number, or one of thousands of digits
        number = 0
    if not 1 <= number <= VERSION:
        hint = "; this file needs a newer nhot" if number > VERSION else ""
        raise NhotError(f"Network file version must be 1 to {VERSION}, not {text[:20]!r}{hint}")
    return number


def _arrays(manifest: Manifest, constants: dict[str, NDArray[Any]]) -> Arrays:
    """Weights and biases by layer; each constant is one layer's alone."""
    tensors = {layer.output.name: layer.output for layer in manifest.nodes}
    tensors[manifest.input.name] = manifest.input
    left, arrays = dict(constants), {}
    for layer in manifest.nodes:
        if layer.format is None:
            continue
        name = layer.output.name
        found = [left.pop(key, None) for key in manifest.initializers.get(name, ())]
        weights, bias = found if len(found) == 2 else (None, None)
        x = tensors.get(next(iter(layer.inputs), ""))
        if weights is None or bias is None or layer.requant is None or x is None:
            raise NhotError(f"Layer {name!r}: it must have weights, a bias, a requantisation and "
                            "an input, each its own")
        try:
            arrays[name] = filters_from_onnx(
                layer.operator, weights, bias, layer.requantisation(), x
            )
        except NhotError as error:
            raise NhotError(f"Layer {name!r}: {error}") from None
    return arrays
