"""The float reference models of MLPerf Tiny, read from their TensorFlow Lite files.

Only what those files have is read: the six operators below, with constant weights. It is no
importer for other networks.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nhot.errors import MissingToolError, NhotError
from nhot.files import read_file

__all__ = ["OPERATORS", "Graph", "Step", "read_graph"]

Floats = NDArray[np.float32]

OPERATORS = (
    "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "AVERAGE_POOL_2D", "RESHAPE",
    "SOFTMAX",
)

_DAMAGE = (struct.error, IndexError, ValueError, TypeError, AttributeError, OverflowError,
           UnicodeDecodeError)
"""What the flatbuffers of a damaged file raise."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One operator.

    Parameters
    ----------
    operator : str
        One of :data:`OPERATORS`.
    inputs : tuple of int
        The tensors that it reads; constants are not among them.
    output : int
    weights : tuple of float32 arrays
        Weights and bias as the file has them: (filters, height, width, channels) of CONV_2D,
        (1, height, width, channels) of DEPTHWISE_CONV_2D, (outputs, inputs) of FULLY_CONNECTED.
    shape : tuple of int
        Of the first input, the batch of 1 included.
    window, stride : (y, x)
        Of a pool the window; of pools and convolutions the stride.
    same : bool
        Whether zeros around the input keep its size, rather than none.
    relu : bool
        Whether a ReLU follows.
    """

    operator: str
    inputs: tuple[int, ...]
    output: int
    weights: tuple[Floats, ...] = ()
    shape: tuple[int, ...] = ()
    window: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    same: bool = False
    relu: bool = False


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The operators of a model in their order, its one input and its one output.

    ``shape`` is that of the input: (1, height, width, channels) or (1, features).
    """

    steps: tuple[Step, ...]
    source: int
    result: int
    shape: tuple[int, ...]


def read_graph(path: str | os.PathLike[str]) -> Graph:
    """The model in the file ``path``.

    Raises
    ------
    NhotError
        It cannot be read, is no float model, or has an operator that the reference models have not;
        the text names it.
    MissingToolError
        The package tflite is not installed.
    """
    try:
        import tflite
    except ImportError:
        raise MissingToolError(
            "Reading .tflite files needs the package tflite; run: pip install 'nhot[bench]'"
        ) from None
    data = read_file(path, "Model")
    if data[4:8] != b"TFL3":
        raise NhotError(f"Model {str(path)!r} must be a TensorFlow Lite file")
    try:
        return _Reader(tflite, tflite.Model.GetRootAs(data, 0), Path(path)).graph()
    except NhotError:  # a ValueError too
        raise
    except _DAMAGE as error:
        raise NhotError(
            f"Model {str(path)!r} must be a whole TensorFlow Lite file, but: {error}"
        ) from None


class _Reader:
    def __init__(self, schema: Any, model: Any, path: Path) -> None:
        self.schema, self.model, self.path = schema, model, path
        self.tensors = model.Subgraphs(0)
        names = vars(schema.BuiltinOperator).items()
        self.names = {code: name for name, code in names if isinstance(code, int)}

    def graph(self) -> Graph:
        tensors = self.tensors
        for what, count in (("input", tensors.InputsLength()), ("output", tensors.OutputsLength())):
            if count != 1:
                raise self.error(f"must have one {what}, not {count}")
        steps = tuple(self.step(tensors.Operators(i)) for i in range(tensors.OperatorsLength()))
        source, result = tensors.Inputs(0), tensors.Outputs(0)
        return Graph(steps=steps, source=source, result=result, shape=self.shape(source))

    def step(self, operator: Any) -> Step:
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        # Codes of the first years are in a byte of their own.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = self.names.get(number, str(number))
        if name not in OPERATORS:
            raise self.error(f"must have {', '.join(OPERATORS)} alone, not {name}")
        read = [operator.Inputs(i) for i in range(operator.InputsLength())]
        constants = {tensor: self.constant(tensor) for tensor in read}
        inputs = tuple(tensor for tensor in read if constants[tensor] is None)
        weights = tuple(array for array in constants.values() if array is not None)
        return Step(
            operator=name, inputs=inputs, output=operator.Outputs(0), shape=self.shape(inputs[0]),
            weights=() if name == "RESHAPE" else weights, **self.options(name, operator),
        )

    def options(self, name: str, operator: Any) -> dict[str, Any]:
        """What the options of an operator say, as fields of :class:`Step`."""
        kind: Callable[[], Any] | None = {
            "CONV_2D": self.schema.Conv2DOptions, "ADD": self.schema.AddOptions,
            "DEPTHWISE_CONV_2D": self.schema.DepthwiseConv2DOptions,
            "FULLY_CONNECTED": self.schema.FullyConnectedOptions,
            "AVERAGE_POOL_2D": self.schema.Pool2DOptions,
        }.get(name)
        table = operator.BuiltinOptions()
        if kind is None or table is None:
            return {}
        options = kind()
        options.Init(table.Bytes, table.Pos)
        activations = self.schema.ActivationFunctionType
        activation = options.FusedActivationFunction()
        if activation not in (activations.NONE, activations.RELU):
            raise self.error(f"must have no activation but ReLU, not number {activation} "
                             f"after {name}")
        result = {"relu": activation == activations.RELU}
        if hasattr(options, "StrideH"):
            result["stride"] = options.StrideH(), options.StrideW()
            result["same"] = options.Padding() == self.schema.Padding.SAME
        if hasattr(options, "FilterHeight"):
            result["window"] = options.FilterHeight(), options.FilterWidth()
        if hasattr(options, "DilationHFactor"):
            dilation = options.DilationHFactor(), options.DilationWFactor()
            if dilation != (1, 1):
                raise self.error(f"must have no dilation, not {dilation} of {name}")
        return result

    def constant(self, tensor: int) -> Floats | None:
        """The numbers of a constant; None for what is computed, or for the shape of a RESHAPE."""
        described = self.tensors.Tensors(tensor)
        data = self.model.Buffers(described.Buffer()).DataAsNumpy()
        if not isinstance(data, np.ndarray):
            if described.Type() != self.schema.TensorType.FLOAT32:
                raise self.error(f"must have float activations, not tensor {tensor} of type "
                                 f"{described.Type()}")
            return None
        if described.Type() == self.schema.TensorType.INT32:
            return np.zeros(0, np.float32)  # of a RESHAPE
        values = self.numbers(tensor, described, data)
        if not np.isfinite(values).all():
            raise self.error(f"must have finite weights, not those of tensor {tensor}")
        return values

    def numbers(self, tensor: int, described: Any, data: NDArray[np.uint8]) -> Floats:
        """Weights, which may be kept as bytes with a scale although activations are floats."""
        kinds, shape = self.schema.TensorType, self.shape(tensor)
        if described.Type() == kinds.FLOAT32:
            return data.view("<f4").astype(np.float32).reshape(shape)
        if described.Type() != kinds.INT8 or described.Quantization() is None:
            raise self.error(f"must have float weights, or bytes with a scale, not tensor {tensor} "
                             f"of type {described.Type()}")
        rounding = described.Quantization()
        along = [1] * len(shape)
        along[rounding.QuantizedDimension()] = -1
        scale, zero = (values.reshape(along if len(values) > 1 else [1] * len(shape)) for values in
                       (rounding.ScaleAsNumpy(), rounding.ZeroPointAsNumpy()))
        return ((data.view(np.int8).reshape(shape) - zero) * scale).astype(np.float32)

    def shape(self, tensor: int) -> tuple[int, ...]:
        described = self.tensors.Tensors(tensor)
        return tuple(int(described.Shape(i)) for i in range(described.ShapeLength()))

    def error(self, constraint: str) -> NhotError:
        return NhotError(f"Model {str(self.path)!r} {constraint}")
