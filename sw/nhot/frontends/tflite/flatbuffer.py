"""The flatbuffer of a TensorFlow Lite file as plain data, with nothing in it taken on trust.

Offsets and lengths of a damaged file point anywhere, many of them at the same bytes. Reading beyond
the end raises; all that is copied is counted, and may not be much more than the file is long;
constants are views of its bytes. So time and memory go with the size of the file.

Source: ``schema.fbs`` of TensorFlow Lite, version 3, as the package tflite has it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nhot.errors import MissingToolError, NhotError
from nhot.printable import shortened

__all__ = ["OPTIONS", "File", "OperatorInfo", "TensorInfo", "parse"]

_DAMAGE = (struct.error, IndexError, ValueError, TypeError, AttributeError, OverflowError)
"""What the flatbuffers of a damaged file raise."""

_WHOLE = "Model must be a whole TensorFlow Lite file"

_CONVOLUTION = ("Padding", "StrideH", "StrideW", "DilationHFactor", "DilationWFactor",
                "FusedActivationFunction")
_POOL = ("Padding", "StrideH", "StrideW", "FilterHeight", "FilterWidth", "FusedActivationFunction")
_FUSED = ("FusedActivationFunction",)

OPTIONS = {
    "CONV_2D": ("Conv2DOptions", _CONVOLUTION),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", _CONVOLUTION),
    "TRANSPOSE_CONV": ("TransposeConvOptions", ("Padding", "StrideH", "StrideW",
                                                "FusedActivationFunction")),
    "FULLY_CONNECTED": ("FullyConnectedOptions", (*_FUSED, "WeightsFormat")),
    "AVERAGE_POOL_2D": ("Pool2DOptions", _POOL), "MAX_POOL_2D": ("Pool2DOptions", _POOL),
    "ADD": ("AddOptions", _FUSED), "SUB": ("SubOptions", _FUSED), "MUL": ("MulOptions", _FUSED),
    "DIV": ("DivOptions", _FUSED),
    "CONCATENATION": ("ConcatenationOptions", ("Axis", *_FUSED)),
    "RESIZE_NEAREST_NEIGHBOR": ("ResizeNearestNeighborOptions", ("AlignCorners",
                                                                 "HalfPixelCenters")),
}
"""The table of options of an operator, and which fields of it are read."""

_DEFAULTS = {"DilationHFactor": 1, "DilationWFactor": 1}

MOST_TABLES = 1 << 16
"""Tensors, and operators."""

SHARED = 4
"""Times the size of the file that may be copied of it: a writer may store equal parts once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TensorInfo:
    """A tensor.

    Parameters
    ----------
    name : str
    shape : tuple of int
        With -1 for what is not fixed, the batch included.
    type : str
        As the schema calls it.
    data : (bytes,) uint8, optional
        Of a constant.
    scales, zero_points : arrays
        Empty where it is not quantised; else one, or one for each index along ``axis``. Without
        zero points they are zeros.
    axis : int
    """

    name: str
    shape: tuple[int, ...]
    type: str
    data: NDArray[np.uint8] | None
    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    axis: int


@dataclass(frozen=True, kw_only=True, eq=False)
class OperatorInfo:
    """An operator: what it is called in the schema, tensors by index (-1 for none), options."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class File:
    """The main graph of a file, in the order of the file."""

    tensors: tuple[TensorInfo, ...]
    operators: tuple[OperatorInfo, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def parse(data: bytes) -> File:
    """What ``data`` holds.

    Raises
    ------
    NhotError
        It is no TensorFlow Lite file, or not a whole one.
    MissingToolError
        The package tflite is not installed.
    """
    try:
        import tflite
    except ImportError:
        raise MissingToolError(
            "Reading .tflite files needs the package tflite; run: pip install 'nhot[tflite]'"
        ) from None
    if data[4:8] != b"TFL3":
        raise NhotError("Model must be a TensorFlow Lite file, which it does not begin as")
    try:
        return _Parser(tflite, data).file()
    except NhotError:  # a ValueError too
        raise
    except _DAMAGE as error:
        raise NhotError(f"{_WHOLE}, but: {error}") from None


class _Parser:
    def __init__(self, schema: Any, data: bytes):
        self.schema, self.data, self.left = schema, data, SHARED * len(data)
        self.model = schema.Model.GetRootAs(data, 0)
        self.kinds = self._names(schema.BuiltinOperator)
        self.types = self._names(schema.TensorType)

    def file(self) -> File:
        if self.model.SubgraphsLength() < 1:
            raise NhotError("Model must have a graph")
        graph = self.model.Subgraphs(0)
        tensors = tuple(map(self._tensor, self._tables(graph.TensorsLength(), graph.Tensors)))
        file = File(
            tensors=tensors, inputs=self._list(graph.InputsLength(), graph.Inputs),
            outputs=self._list(graph.OutputsLength(), graph.Outputs),
            operators=tuple(
                map(self._operator, self._tables(graph.OperatorsLength(), graph.Operators))
            ),
        )
        used = [*file.inputs, *file.outputs]
        for operator in file.operators:
            used += (*operator.inputs, *operator.outputs)
        for index in used:
            if not -1 <= index < len(tensors):
                raise NhotError(f"Model must name tensors below {len(tensors)}, not {index}")
        return file

    def _tensor(self, tensor: Any) -> TensorInfo:
        text = tensor.Name() or b""
        self._spend(len(text))
        name = text.decode(errors="replace")
        if tensor.Sparsity() is not None or tensor.IsVariable():
            raise NhotError(f"Tensor {shortened(name)} must be neither sparse nor variable")
        shape = self._list(tensor.ShapeLength(), tensor.Shape)
        signature = self._list(tensor.ShapeSignatureLength(), tensor.ShapeSignature)
        buffer = self.model.Buffers(_below(tensor.Buffer(), self.model.BuffersLength()))
        table = tensor.Quantization()
        return TensorInfo(
            name=name, shape=signature if len(signature) == len(shape) else shape,
            type=self.types.get(tensor.Type(), f"number {tensor.Type()}"),
            data=self._content(buffer, name),
            scales=_view(table and table.ScaleAsNumpy(), "<f4"),
            zero_points=_view(table and table.ZeroPointAsNumpy(), "<i8"),
            axis=table.QuantizedDimension() if table else 0,
        )

    def _content(self, buffer: Any, name: str) -> NDArray[np.uint8] | None:
        """The bytes of a buffer: in the flatbuffer, or behind it."""
        start, size = buffer.Offset(), buffer.Size()
        if start <= 1:  # 1 stands for nothing, too
            inside = buffer.DataAsNumpy()
            return inside if isinstance(inside, np.ndarray) else None
        if start + size > len(self.data):
            raise NhotError(f"Tensor {shortened(name)} must have its data in the file of "
                            f"{len(self.data)} bytes, not at {start} to {start + size}")
        return np.frombuffer(self.data, np.uint8, size, start)

    def _operator(self, operator: Any) -> OperatorInfo:
        code = self.model.OperatorCodes(
            _below(operator.OpcodeIndex(), self.model.OperatorCodesLength())
        )
        # Codes of the first years are in a byte of their own.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        kind = self.kinds.get(number, f"number {number}")
        if kind == "CUSTOM":
            kind = f"CUSTOM {shortened((code.CustomCode() or b'').decode(errors='replace'))}"
        return OperatorInfo(
            kind=kind, inputs=self._list(operator.InputsLength(), operator.Inputs),
            outputs=self._list(operator.OutputsLength(), operator.Outputs),
            options=self._options(kind, operator),
        )

    def _options(self, kind: str, operator: Any) -> dict[str, int]:
        name, fields = OPTIONS.get(kind, ("", ()))
        values = {one: _DEFAULTS.get(one, 0) for one in fields}
        table = operator.BuiltinOptions()
        if not fields or table is None:
            return values
        if operator.BuiltinOptionsType() != getattr(self.schema.BuiltinOptions, name):
            raise NhotError(f"Options of {kind} must be {name}, not number "
                            f"{operator.BuiltinOptionsType()}")
        options = getattr(self.schema, name)()
        options.Init(table.Bytes, table.Pos)
        return {one: int(getattr(options, one)()) for one in fields}

    def _list(self, count: int, at: Callable[[int], int]) -> tuple[int, ...]:
        self._spend(4 * count)
        return tuple(int(at(index)) for index in range(count))

    def _tables(self, count: int, at: Callable[[int], Any]) -> list[Any]:
        return [at(index) for index in range(_below(count, MOST_TABLES))]

    def _spend(self, count: int) -> None:
        """Count bytes that are copied."""
        self.left -= count
        if self.left < 0:
            raise NhotError(f"{_WHOLE}, but its lists are longer than it is")

    def _names(self, numbers: Any) -> dict[int, str]:
        return {code: name for name, code in vars(numbers).items() if isinstance(code, int)}


def _view(array: Any, kind: str) -> NDArray[Any]:
    """A list of numbers as it lies in the file; empty where there is none."""
    return array if isinstance(array, np.ndarray) else np.zeros(0, kind)


def _below(number: int, most: int) -> int:
    if not 0 <= number < most:
        raise NhotError(f"{_WHOLE}, but a number in it is {number}, where it must be below {most}")
    return number
