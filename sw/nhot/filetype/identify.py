"""What a file is: by its first bytes, or by what an archive or a JSON text has in it.

Names of files say nothing: they may be anything. Nothing in a file is run, and of a large one only
as much is read as its kind needs.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import BinaryIO, NamedTuple

from nhot.filetype import onnx

__all__ = ["Found", "identify", "is_foreign"]


class Found(NamedTuple):
    """What a file is.

    Parameters
    ----------
    name : str
        With an article, for a sentence.
    kind : str
        Which of the kinds that commands take (:data:`nhot.filetype.KINDS`); empty for all else.
    """

    name: str
    kind: str = ""


FOREIGN = (".tflite", ".onnx", ".pt2")
"""How names of files of other tools end."""

_HEAD = 1 << 12

_LARGEST_JSON = 1 << 26

_STARTS = {
    b"NHOT": Found("a memory image", "image"),
    b"nhot checkpoint": Found("a checkpoint of nhot train", "weights"),
    b"\x93NUMPY": Found("an array (.npy)", "array"),
    b"GGUF": Found("a GGUF model"),
    b"\xff\x00Part: ": Found("an ECP5 bitstream"),
    b"\x00\x09\x0f\xf0\x0f\xf0": Found("a Xilinx bitstream"),
    b"\x1f\x8b": Found("a gzip archive"),
    b"\x7fELF": Found("a program (ELF)"),
    b"\x89PNG": Found("a picture (PNG)"),
    b"\xff\xd8\xff": Found("a picture (JPEG)"),
    b"RIFF": Found("a RIFF file (WAV, AVI or WebP)"),
    b"%PDF": Found("a PDF document"),
}
"""Files that begin so."""

_FLATBUFFERS = {
    b"TFL3": Found("a TensorFlow Lite model", "foreign"),
    b"ET12": Found("an ExecuTorch program"),
    b"ORTM": Found("a model in onnxruntime's own format (.ort)"),
}
"""Files that say so behind the first four bytes."""

_MEMBERS = (
    ("/constants.pkl", Found("a TorchScript model")),
    ("/data.pkl", Found("a file of torch.save", "weights")),
    ("models/model.json", Found("a model of torch.export (.pt2)", "foreign")),
    ("serialized_exported_program.json", Found("a model of torch.export before 2.9 (.pt2)")),
    ("model.weights.h5", Found("a Keras model (.keras)")),
    (".npy", Found("an archive of arrays (.npz)")),
)
"""Zip archives with a member whose name ends so."""

_ICE40, _HDF5 = b"\x7e\xaa\x99\x7e", b"\x89HDF\r\n\x1a\n"
_TORCH_LEGACY = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"  # its magic number, pickled


def identify(path: str | os.PathLike[str]) -> Found | None:
    """What the file at ``path`` is; None where its content does not say, or cannot be read."""
    path = Path(path)
    try:
        if path.is_dir():
            saved = (path / "saved_model.pb").is_file()
            return Found("a TensorFlow model (SavedModel)" if saved else "a folder")
        if not path.is_file():  # reading a pipe would take from it
            return None
        with path.open("rb") as file:
            return _identify(file, os.fstat(file.fileno()).st_size)
    except OSError:
        return None


def is_foreign(path: str | os.PathLike[str]) -> bool:
    """Whether a file is another tool's model, by its content, or else by its name."""
    found = identify(path)
    return os.fspath(path).lower().endswith(FOREIGN) if found is None else found.kind == "foreign"


def _identify(file: BinaryIO, size: int) -> Found | None:
    head = file.read(_HEAD)
    if not head:
        return Found("an empty file")
    for start, found in _STARTS.items():
        if head.startswith(start):
            return found
    if head[4:8] in _FLATBUFFERS:
        return _FLATBUFFERS[head[4:8]]
    if head.startswith(_HDF5):
        keras = b"keras_version" in head or b"model_weights" in head
        return Found("a Keras model (HDF5)" if keras else "an HDF5 file")
    if head.startswith(b"PK\x03\x04"):
        return _archive(file)
    if head[:2] in {b"\x80\2", b"\x80\3", b"\x80\4", b"\x80\5"}:
        legacy = _TORCH_LEGACY in head[:32]
        return Found("a file of torch.save", "weights") if legacy else Found("a Python pickle")
    if head[257:262] == b"ustar":
        return Found("a tar archive")
    if head.startswith(b"\xff\x00") and _ICE40 in head:
        return Found("an iCE40 bitstream")
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size - 8:
        return Found("a safetensors file", "weights")
    return _text(file, head, size) or _onnx(file, size)


def _archive(file: BinaryIO) -> Found | None:
    import zipfile

    from nhot.zips import BROKEN_ZIP

    try:
        names = zipfile.ZipFile(file).namelist()
    except BROKEN_ZIP:
        return None
    for ending, found in _MEMBERS:
        if any(f"/{name}".endswith(ending) for name in names):
            return found
    return Found("a zip archive")


def _onnx(file: BinaryIO, size: int) -> Found | None:
    model = onnx.scan(file, size)
    if model is None:
        return None
    if model.written_by_nhot:
        return Found("a network file", "network")
    if any(domain.startswith(("qonnx", "finn")) for domain in model.domains):
        return Found("a QONNX model", "foreign")
    return Found(f"an ONNX model of {model.producer or 'another tool'}", "foreign")


def _text(file: BinaryIO, head: bytes, size: int) -> Found | None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:200].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return Found("an HTML page")
    if start.startswith(b"<?xml") or start.startswith(b"<net "):
        return Found("an OpenVINO model" if b"<net " in head else "an XML file")
    if not start.startswith(b"{") or size > _LARGEST_JSON:
        return None
    file.seek(0)
    try:
        values = json.loads(file.read())
    except (ValueError, RecursionError):
        return None
    return _json(set(values))


def _json(names: set[str]) -> Found | None:
    """By the names in the object; an object of none of these is left to its reader."""
    if {"inputs_sha256", "sha256", "config"} <= names:
        return Found("a bitstream's manifest", "manifest")
    if {"version", "entries"} <= names:
        return Found("a report", "report")
    if {"class_name", "config"} <= names:
        return Found("a Keras model (JSON)")
    if "nbformat" in names:
        return Found("a Jupyter notebook")
    from nhot.contract.config import EngineConfig

    if names and names <= set(EngineConfig.__dataclass_fields__):
        return Found("an engine configuration", "config")
    return None
