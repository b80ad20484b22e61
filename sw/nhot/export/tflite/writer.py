"""TensorFlow Lite files, written with the schema operator by operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nhot.errors import MissingToolError

__all__ = ["Writer"]

_TYPES = {"f4": "FLOAT32", "f2": "FLOAT16", "i1": "INT8", "u1": "UINT8", "i4": "INT32",
          "i8": "INT64", "i2": "INT16"}


_VERSIONS = {
    **dict.fromkeys((
        "ADD", "ARG_MAX", "AVERAGE_POOL_2D", "CONCATENATION", "GATHER", "MAXIMUM", "MAX_POOL_2D",
        "MEAN", "MINIMUM", "MUL", "PAD", "PADV2", "QUANTIZE", "RELU", "RESIZE_NEAREST_NEIGHBOR",
        "SLICE"), 2),
    "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "TRANSPOSE_CONV": 3,
}
"""Of operators, since when they have taken signed bytes; 1 of all others."""

_BEHIND = 1 << 40
"""Added to offsets into the part behind the flatbuffer until it is known where that begins."""


class Writer:
    """A model; constants are tensors with a buffer of their own."""

    def __init__(self) -> None:
        try:
            import flatbuffers
            import tflite
        except ImportError:
            raise MissingToolError("Models of TensorFlow Lite need the packages tflite and "
                                   "flatbuffers; run: pip install 'nhot[tflite]'") from None

        self.schema: Any = tflite
        self.builder: Any = flatbuffers.Builder(0)
        self.buffers = [self._buffer(b"")]
        self.tensors: list[int] = []
        self.names: list[str] = []
        self.codes: dict[str, int] = {}
        self.operators: list[int] = []
        self.tail = b""

    def tensor(
        self, shape: Sequence[int], values: NDArray[Any] | None = None, *, type: str = "FLOAT32",
        scale: ArrayLike = (), zero: ArrayLike = (), axis: int = 0, name: str = "",
        signature: Sequence[int] = (), behind: bool = False, **members: Any,
    ) -> int:
        """A tensor, a constant where there are ``values``; returns its index.

        ``behind`` puts the numbers behind the flatbuffer, as is done in files that are large.
        """
        made: dict[str, Any] = {
            "Shape": self._numbers(shape), "Type": getattr(self.schema.TensorType, type),
            "Buffer": 0, **members,
        }
        if values is not None:
            content = np.asarray(values).tobytes()
            self.buffers.append(self._behind(content) if behind else self._buffer(content))
            made["Buffer"] = len(self.buffers) - 1
        if np.size(scale):
            made["Quantization"] = self._table(
                "QuantizationParameters", Scale=self._numbers(scale, np.float32),
                ZeroPoint=self._numbers(zero, np.int64), QuantizedDimension=axis,
            )
        if signature:
            made["ShapeSignature"] = self._numbers(signature)
        self.names.append(name or f"tensor_{len(self.tensors)}")
        made["Name"] = self.builder.CreateString(self.names[-1])
        self.tensors.append(self._table("Tensor", **made))
        return len(self.tensors) - 1

    def activation(self, shape: Sequence[int], scale: float, zero: int, **options: Any) -> int:
        """An activation of 8 bits."""
        return self.tensor(shape, type="INT8", scale=[scale], zero=[zero], **options)

    def constant(self, values: NDArray[Any], **options: Any) -> int:
        """A constant of the type that ``values`` have."""
        kind = _TYPES[values.dtype.str[1:]]
        return self.tensor(values.shape, values, **{"type": kind, **options})

    def operator(
        self, kind: str, inputs: Sequence[int], output: int, options: str = "", **members: Any
    ) -> int:
        """An operator, with the table of ``options``; returns ``output``."""
        if kind not in self.codes:
            code = getattr(self.schema.BuiltinOperator, kind)
            self.codes[kind] = self._table(
                "OperatorCode", BuiltinCode=code, DeprecatedBuiltinCode=min(code, 127),
                Version=_VERSIONS.get(kind, 1),
            )
        known = {} if not options else {
            "BuiltinOptionsType": getattr(self.schema.BuiltinOptions, options),
            "BuiltinOptions": self._table(options, **members),
        }
        self.operators.append(self._table(
            "Operator", OpcodeIndex=list(self.codes).index(kind), Inputs=self._numbers(inputs),
            Outputs=self._numbers([output]), **known,
        ))
        return output

    def finish(self, source: int, *results: int) -> bytes:
        """The file, with a signature as converters write one."""
        builder, table = self.builder, self._table
        ends = [
            [table("TensorMap", Name=builder.CreateString(f"{what}_{place}"), TensorIndex=index)
             for place, index in enumerate(indices)]
            for what, indices in (("input", [source]), ("output", results))
        ]
        signature = table(
            "SignatureDef", SignatureKey=builder.CreateString("serving_default"),
            Inputs=self._offsets(ends[0]), Outputs=self._offsets(ends[1]),
        )
        graph = table(
            "SubGraph", Tensors=self._offsets(self.tensors), Inputs=self._numbers([source]),
            Outputs=self._numbers(results), Operators=self._offsets(self.operators),
        )
        builder.Finish(table(
            "Model", Version=3, Subgraphs=self._offsets([graph]),
            Buffers=self._offsets(self.buffers),
            OperatorCodes=self._offsets(list(self.codes.values())),
            SignatureDefs=self._offsets([signature]),
        ), b"TFL3")
        return self._placed(bytes(builder.Output()))

    def _placed(self, flat: bytes) -> bytes:
        """The file with what comes behind; offsets into it get what they lack."""
        start = -(-len(flat) // 16) * 16
        data = bytearray(flat.ljust(start, b"\0") + self.tail)
        if self.tail:
            model = self.schema.Model.GetRootAs(data, 0)
            for place in range(model.BuffersLength()):
                table = model.Buffers(place)._tab
                field = table.Offset(6)  # of the member Offset
                if field:
                    at = field + table.Pos
                    behind = int.from_bytes(data[at : at + 8], "little") - _BEHIND
                    data[at : at + 8] = (start + behind).to_bytes(8, "little")
        return bytes(data)

    def _behind(self, data: bytes) -> int:
        place = self._table("Buffer", Offset=_BEHIND + len(self.tail), Size=len(data))
        self.tail += data
        return place

    def _buffer(self, data: bytes) -> int:
        members = {"Data": self._bytes(data)} if data else {}
        return self._table("Buffer", **members)

    def _bytes(self, data: bytes) -> int:
        """A vector of bytes at a multiple of 16, as the interpreter wants it."""
        self.builder.StartVector(1, len(data), 16)
        self.builder.head -= len(data)
        self.builder.Bytes[self.builder.Head() : self.builder.Head() + len(data)] = data
        place: int = self.builder.EndVector()
        return place

    def _table(self, name: str, **members: Any) -> int:
        getattr(self.schema, f"{name}Start")(self.builder)
        for member, value in members.items():
            getattr(self.schema, f"{name}Add{member}")(self.builder, value)
        place: int = getattr(self.schema, f"{name}End")(self.builder)
        return place

    def _offsets(self, places: Sequence[int]) -> int:
        self.builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            self.builder.PrependUOffsetTRelative(place)
        vector: int = self.builder.EndVector()
        return vector

    def _numbers(self, values: ArrayLike, kind: Any = np.int32) -> int:
        vector: int = self.builder.CreateNumpyVector(np.asarray(values, kind))
        return vector
