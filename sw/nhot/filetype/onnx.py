"""The outermost fields of an ONNX file, without the package onnx and without reading its graph.

Source: the wire format of Protocol Buffers, and ``ModelProto`` in ``onnx.proto``.
"""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

__all__ = ["Model", "scan"]

_VERSION, _PRODUCER, _PRODUCER_VERSION, _GRAPH, _OPSET, _METADATA = 1, 2, 3, 7, 8, 14
_FIELDS = {*range(1, 9), 14, 20, 25, 26}
_VARINT, _BYTES = 0, 2
_TEXT = 200  # bytes of a field that are read; the names looked for are shorter


class Model(NamedTuple):
    """What a file says of itself.

    Parameters
    ----------
    producer : str
        Name and version of the tool that wrote it, if it says so; visible characters only.
    domains : list of str
        Of the operator sets that it uses.
    written_by_nhot : bool
    """

    producer: str
    domains: list[str]
    written_by_nhot: bool


def scan(file: BinaryIO, size: int) -> Model | None:
    """The fields of ``file`` of ``size`` bytes; None unless all of it is an ONNX model."""
    texts: dict[int, list[bytes]] = {}
    file.seek(0)
    try:
        while file.tell() < size:
            field, kind = divmod(_varint(file), 8)
            if field not in _FIELDS or kind not in {_VARINT, _BYTES}:
                return None
            length = _varint(file)
            if kind == _VARINT:
                texts.setdefault(field, []).append(b"")
                continue
            end = file.tell() + length
            if end > size:
                return None
            texts.setdefault(field, []).append(file.read(min(length, _TEXT)))
            file.seek(end)
    except EOFError:
        return None
    if not {_VERSION, _GRAPH} <= texts.keys():
        return None
    # In entries of metadata and of operator sets, field 1 is the key and the domain.
    keys = [_first_text(entry) for entry in texts.get(_METADATA, [])]
    producer = [_visible(texts.get(field, [b""])[-1]) for field in (_PRODUCER, _PRODUCER_VERSION)]
    return Model(
        producer=" ".join(producer).strip(),
        domains=[_first_text(entry) for entry in texts.get(_OPSET, [])],
        written_by_nhot=producer[0] == "nhot" or "nhot.version" in keys,
    )


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise EOFError
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise EOFError


def _first_text(message: bytes) -> str:
    """Field 1 of a short message, a text of less than 128 bytes."""
    return _visible(message[2 : 2 + message[1]]) if message[:1] == b"\x0a" else ""


def _visible(text: bytes) -> str:
    return "".join(char for char in text.decode(errors="replace") if char.isprintable())[:60]
