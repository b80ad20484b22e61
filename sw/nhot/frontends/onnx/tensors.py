"""Constants of an ONNX file: in it, or in a file beside it and nowhere else."""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.printable import shortened

__all__ = ["TensorReader", "text"]

_TYPES = {
    "FLOAT": ("<f4", "float_data"), "DOUBLE": ("<f8", "double_data"), "FLOAT16": ("<f2", ""),
    "INT8": ("i1", "int32_data"), "UINT8": ("u1", "int32_data"), "INT16": ("<i2", "int32_data"),
    "UINT16": ("<u2", "int32_data"), "INT32": ("<i4", "int32_data"),
    "INT64": ("<i8", "int64_data"), "BOOL": ("?", "int32_data"),
}
"""Types of elements, and the list that has them where they are not bytes."""

MOST_BYTES = 1 << 29
"""Of all files beside the model."""


def text(value: Any) -> str:
    """A text of a protobuf, which are bytes where they are no UTF-8."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


class TensorReader:
    """Reads constants; no more is read or copied than there are bytes of.

    Parameters
    ----------
    onnx : module
    folder : path, optional
        Of the model's file. Without it all must be in the file itself.
    """

    def __init__(self, onnx: Any, folder: Path | None):
        self.onnx, self.folder, self.left = onnx, folder, MOST_BYTES
        self.types = {getattr(onnx.TensorProto, name): name for name in _TYPES}

    def array(self, tensor: Any, what: str) -> NDArray[Any]:
        """The elements of a ``TensorProto``; ``what`` is what errors call it."""
        if tensor.data_type not in self.types:
            raise NhotError(f"{what} must have a type of {', '.join(_TYPES)}, "
                            f"not number {tensor.data_type}")
        name = self.types[tensor.data_type]
        kind, (code, field) = np.dtype(_TYPES[name][0]), _TYPES[name]
        shape = tuple(int(size) for size in tensor.dims)
        if min(shape, default=0) < 0 or len(shape) > 8:
            raise NhotError(f"{what} must have sizes of 0 or more, and at most 8 of them, "
                            f"not {shortened(shape)}")
        wanted = math.prod(shape)
        if tensor.data_location == self.onnx.TensorProto.EXTERNAL:
            data = self._outside(tensor, what, wanted * kind.itemsize)
        elif field and not tensor.HasField("raw_data") and len(getattr(tensor, field)) == wanted:
            try:
                return np.array(list(getattr(tensor, field)), code).reshape(shape)
            except OverflowError:
                raise NhotError(f"{what} must have elements of {name}") from None
        else:
            data = tensor.raw_data
        if len(data) != wanted * kind.itemsize:
            raise NhotError(f"{what} must have as many bytes as its shape {shortened(shape)} of "
                            f"{name} needs, not {len(data)}")
        return np.frombuffer(data, code).reshape(shape)

    def _outside(self, tensor: Any, what: str, size: int) -> bytes:
        """``size`` bytes of the file that ``tensor`` names."""
        entries = {text(one.key): text(one.value) for one in tensor.external_data}
        location = entries.get("location", "")
        path = self._beside(location, what)
        numbers = [entries.get("offset", "0"), entries.get("length", str(size))]
        if not all(one.isascii() and one.isdigit() and len(one) < 19 for one in numbers):
            raise NhotError(f"{what} must have its bytes at an offset, not {shortened(numbers)}")
        start, length = map(int, numbers)
        try:
            there = path.stat().st_size
            if length != size or start + size > there:
                raise NhotError(f"{what} must have {size} bytes in {shortened(location)} of "
                                f"{there} bytes, not {length} from {start} on")
            self.left -= size
            if self.left < 0:
                raise NhotError(f"Model must have at most {MOST_BYTES:,} bytes beside it")
            with path.open("rb") as file:
                file.seek(start)
                return file.read(size)
        except OSError as error:
            raise NhotError(f"{what}: its file {shortened(location)} could not be read: "
                            f"{error.strerror}") from None

    def _beside(self, location: str, what: str) -> Path:
        """The file of that name in the model's folder or below, through no link."""
        relative = PurePosixPath(location)
        parts = relative.parts
        if self.folder is None or relative.is_absolute() or not parts or ".." in parts or (
            "\0" in location or "\\" in location
        ):
            raise NhotError(f"{what} must have its data in a file in the model's folder, "
                            f"not in {shortened(location)}")
        path = self.folder
        for part in parts:
            path /= part
            if path.is_symlink():
                raise NhotError(f"{what} must have its data in a file in the model's folder, "
                                f"not behind the link {shortened(location)}")
        if path.exists() and not path.is_file():
            raise NhotError(f"{what} must have its data in a file, not in {shortened(location)}")
        return path
