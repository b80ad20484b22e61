"""The archive that ``torch.export.save`` writes, as plain data.

torch's own reader unpickles what it finds, so a file could run code. The graph is JSON, and a
tensor of the usual kinds is its bytes: no more is read here, and what is pickled is refused.

Source: the schema of ``torch._export.serde`` (version 8) and ``torch.export.pt2_archive``.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.printable import shortened
from nhot.schema import parse_json
from nhot.zips import BROKEN_ZIP

__all__ = ["TYPES", "Archive", "Argument", "Call", "Program", "TensorMeta", "open_archive"]

TYPES: dict[int, np.dtype[Any]] = {number: np.dtype(code) for number, code in {
    1: "u1", 2: "i1", 3: "<i2", 4: "<i4", 5: "<i8", 6: "<f2", 7: "<f4", 8: "<f8", 12: "?"}.items()}
"""Types of elements, by their numbers in torch."""

_MOST_AXES = 8

SCHEMA = 8
"""Major version of the graph's form."""

_GRAPH, _CONFIGS = "models/model.json", ("data/weights/model_weights_config.json",
                                         "data/constants/model_constants_config.json")

Entry = dict[str, Any]


@dataclass(frozen=True)
class TensorMeta:
    """What a tensor is like; sizes are ``{"as_int": N}``, or expressions where they may vary."""

    dtype: int
    sizes: list[Entry]
    strides: list[Entry]
    storage_offset: Entry

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, -1 for those that are not fixed."""
        return tuple(_whole(size) for size in self.sizes)


@dataclass(frozen=True)
class Argument:
    """What an operator is given: ``{"as_tensor": {"name": "x"}}``, ``{"as_int": 3}``, ..."""

    name: str
    arg: Entry


@dataclass(frozen=True)
class Call:
    """One call of an operator: its name, what it is given, what it makes."""

    target: str
    inputs: list[Argument]
    outputs: list[Entry]
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Nodes:
    nodes: list[Call]
    tensor_values: dict[str, TensorMeta]


@dataclass(frozen=True)
class _Signature:
    input_specs: list[Entry]
    output_specs: list[Entry]


@dataclass(frozen=True)
class Program:
    """The graph of a model, and what its inputs and outputs are for."""

    graph: _Nodes
    signature: _Signature


@dataclass(frozen=True)
class _Version:
    major: int


@dataclass(frozen=True)
class _Model:
    graph_module: Program
    schema_version: _Version


@dataclass(frozen=True)
class _Payload:
    path_name: str
    use_pickle: bool
    tensor_meta: TensorMeta | None = None


@dataclass(frozen=True)
class _Config:
    config: dict[str, _Payload]


@dataclass(frozen=True, kw_only=True, eq=False)
class Archive:
    """A program, and its tensors by what they are called in the module, as ``layer1.conv.weight``.
    """

    program: Program
    tensors: dict[str, NDArray[Any]]


def open_archive(data: bytes) -> Archive:
    """What the bytes of a file hold.

    Raises
    ------
    NhotError
        It is damaged, unpacks to more than itself, is of another version, or has tensors that only
        code could make anew.
    """
    files = _unpack(data)
    model = _parse(_Model, files, _GRAPH)
    if model.schema_version.major != SCHEMA:
        raise NhotError(f"Model must be of version {SCHEMA} of torch.export's form, "
                        f"not {model.schema_version.major}")
    tensors: dict[str, NDArray[Any]] = {}
    for name in _CONFIGS:
        if name in files:
            folder = name.rpartition("/")[0]
            for tensor, payload in _parse(_Config, files, name).config.items():
                tensors[tensor] = _tensor(payload, partial(_member, files, folder), tensor)
    return Archive(program=model.graph_module, tensors=tensors)


def _unpack(data: bytes) -> dict[str, bytes]:
    """The members by their names, without the folder that all of them are in."""
    damaged = NhotError("Model must be a whole archive of torch.export, which it is not")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = archive.infolist()
    except BROKEN_ZIP:
        raise damaged from None
    unpacked = sum(member.file_size for member in members)
    if unpacked > len(data):  # torch compresses nothing
        raise NhotError(f"Model must be an archive that takes no more unpacked than packed, not "
                        f"{unpacked:,} bytes in {len(data):,}")
    try:
        return {one.filename.partition("/")[2]: archive.read(one) for one in members
                if one.filename.endswith(".json") or "/data/" in one.filename}
    except BROKEN_ZIP:
        raise damaged from None


def _parse(kind: Any, files: dict[str, bytes], name: str) -> Any:
    if name not in files:
        raise NhotError(f"Model must have the member {name}, which is missing")
    return parse_json(kind, files[name], f"Member {name}", unknown="ignore")


def _member(files: dict[str, bytes], folder: str, name: str) -> bytes:
    path = f"{folder}/{name}"
    if path not in files:
        raise NhotError(f"Model must have the member {shortened(path)}, which is missing")
    return files[path]


def _tensor(payload: _Payload, read: Callable[[str], bytes], name: str) -> NDArray[Any]:
    """A tensor of its bytes, which others may share, by its strides."""
    what, meta = f"Tensor {shortened(name)}", payload.tensor_meta
    if payload.use_pickle or meta is None:
        raise NhotError(f"{what} must be stored as its elements, not pickled: "
                        "that would need code to be run")
    if meta.dtype not in TYPES:
        raise NhotError(f"{what} must have a type of {', '.join(map(str, TYPES.values()))}, "
                        f"not number {meta.dtype}")
    elements: NDArray[Any] = np.frombuffer(_whole_elements(read(payload.path_name), meta, what),
                                           TYPES[meta.dtype])
    shape, strides = meta.shape, tuple(_whole(stride) for stride in meta.strides)
    start = _whole(meta.storage_offset)
    even = len(shape) == len(strides) <= _MOST_AXES
    if min((*shape, *strides, start), default=0) < 0 or not even:
        raise NhotError(f"{what} must have fixed sizes and strides, not {shortened(shape)} and "
                        f"{shortened(strides)}")
    last = start + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    if 0 in shape or last >= len(elements) or int(np.prod(shape, dtype=object)) > len(elements):
        raise NhotError(f"{what} of {shortened(shape)} must lie in its {len(elements)} elements")
    view = np.lib.stride_tricks.as_strided(
        elements[start:], shape, [step * elements.itemsize for step in strides], writeable=False,
    )
    return np.ascontiguousarray(view).reshape(shape)


def _whole_elements(data: bytes, meta: TensorMeta, what: str) -> bytes:
    size = TYPES[meta.dtype].itemsize
    if len(data) % size:
        raise NhotError(f"{what} must have whole elements of {size} bytes, not {len(data)} bytes")
    return data


def _whole(size: Entry) -> int:
    """A size that is a number; -1 for one that is not fixed."""
    value = size.get("as_int")
    return value if type(value) is int and 0 <= value < 1 << 40 else -1
