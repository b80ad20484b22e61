"""A model's file, whatever tool it is of, as a graph."""

from __future__ import annotations

import os
from pathlib import Path

from nhot.errors import NhotError
from nhot.files import read_file
from nhot.filetype import expect
from nhot.frontends.graph import Graph

__all__ = ["MOST_BYTES", "read_graph"]

MOST_BYTES = 1 << 28
"""A file is refused beyond."""


def read_graph(path: str | os.PathLike[str]) -> Graph:
    """The model in the file ``path``: TensorFlow Lite, torch.export or ONNX, by its content.

    Constants that an ONNX file has in other files are read from its folder.

    Raises
    ------
    NhotError
        It cannot be read, is damaged or too large, or has what is not supported: the operator is
        named, with the reason and what is supported.
    MissingToolError
        The package that reads such files is not installed.
    """
    expect(path, "foreign")
    data = read_file(path, "Model", MOST_BYTES)
    try:
        if data[4:8] == b"TFL3" or os.fspath(path).lower().endswith(".tflite"):
            from nhot.frontends.tflite.read import read_tflite

            return read_tflite(data)
        if data.startswith(b"PK\x03\x04"):
            from nhot.frontends.exported.program import read_exported

            return read_exported(data)
        from nhot.frontends.onnx.read import read_onnx

        return read_onnx(data, Path(path).parent)
    except NhotError as error:
        if error.exit_code != NhotError.exit_code:
            raise  # a missing package is not the file's fault
        raise NhotError(f"File {os.fspath(path)!r}: {error}") from None
