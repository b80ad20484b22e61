"""From a TensorFlow Lite file to a graph."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.frontends.conventions import as_map, first_name
from nhot.frontends.graph import INPUT, Builder, Graph
from nhot.frontends.graph_steps import Clamp, Floats
from nhot.frontends.tflite.constants import array_of, grid_of, reals_of, shape_of
from nhot.frontends.tflite.flatbuffer import File, OperatorInfo, TensorInfo, parse
from nhot.network.tensor import Shape, Tensor
from nhot.printable import shortened

__all__ = ["Reader", "read_tflite"]

LAST = ("SOFTMAX", "LOG_SOFTMAX", "LOGISTIC")
"""Left out where nothing comes after: the order of the outputs is the same without."""

SIZES = ("SHAPE", "STRIDED_SLICE", "PACK")
"""Compute the shape that a reshape is to make, which the file says anyway."""

Sides = tuple[int, int, int, int]

_FUSED = {1: ("RELU", 0.0, inf), 2: ("RELU_N1_TO_1", -1.0, 1.0), 3: ("RELU6", 0.0, 6.0)}


def read_tflite(data: bytes) -> Graph:
    """The model in ``data``.

    A softmax or sigmoid at the end is left out.

    Raises
    ------
    NhotError
        The file is damaged, or has what is not supported: the operator is named, and the reason.
    MissingToolError
        The package tflite is not installed.
    """
    return Reader(parse(data)).graph()


class Reader:
    """Reads operators one by one; each has the names of what it made for those that come after.

    Tensors of the file are (batch, height, width, channels), or flat. A flat tensor stands for the
    map that it was flattened from. Converters from torch transpose at the input, and before maps
    are flattened: tensors that lie channels first are noted, and stand for the same maps.
    """

    def __init__(self, file: File):
        self.file = file
        for what, tensors in (("input", file.inputs), ("output", file.outputs)):
            if len(tensors) != 1:
                raise NhotError(f"Model must have one {what}, not {len(tensors)}")
        (self.source,), (self.result,) = file.inputs, file.outputs
        self.constants: dict[int, TensorInfo | Floats] = {
            index: tensor for index, tensor in enumerate(file.tensors) if tensor.data is not None
        }
        self.names: dict[int, str] = {}
        self.channels_first: set[int] = set()
        self.padded: dict[int, tuple[str, Sides]] = {}
        """Maps in a frame that is less than all, which a max pool takes for its padding."""
        if self._turned_at_once():
            self.channels_first.add(self.source)
        self.builder = Builder("TensorFlow Lite", self.map_shape(self.source))
        self.builder.channels_last.update({self.source} - self.channels_first)
        self._set(self.source, INPUT)

    def graph(self) -> Graph:
        """All operators, up to the output."""
        from nhot.frontends.tflite.operators import CONVERSIONS

        left_out: list[str] = []
        for operator in self.file.operators:
            try:
                if operator.kind in LAST and operator.outputs == (self.result,):
                    self.result = self._index(operator, 0)
                    left_out.append(operator.kind)
                elif operator.kind not in SIZES:
                    self._check(operator, CONVERSIONS)
                    CONVERSIONS[operator.kind](self, operator)
            except NhotError as error:
                raise NhotError(f"{self._called(operator)}: {error}") from None
        if self.names.get(self.result, INPUT) == INPUT:
            raise NhotError("Model must compute its output from its input")
        return self.builder.graph(self.names[self.result], tuple(left_out))

    def _check(self, operator: OperatorInfo, known: Iterable[str]) -> None:
        if operator.kind not in known:
            last = f" ({', '.join(LAST)} as the last one)" if operator.kind in LAST else ""
            raise NhotError(f"it must be one of {', '.join(sorted(known))}{last}, "
                            f"not {operator.kind}")
        if len(operator.outputs) != 1:
            raise NhotError(f"it must make one tensor, not {len(operator.outputs)}")

    # What conversions ask for.

    def shape(self, name: str) -> Shape:
        """The shape of a tensor of the graph."""
        return self.builder.shapes[name]

    def tensor(self, operator: OperatorInfo, place: int) -> TensorInfo:
        """The operand at ``place``, as the file describes it."""
        return self.file.tensors[self._index(operator, place)]

    def operand(self, operator: OperatorInfo, place: int = 0) -> str:
        """The name of an operand that is computed, a map or flat."""
        index = self._index(operator, place)
        if index not in self.names:
            kind = "a constant" if index in self.constants else "made later, or never"
            raise NhotError(f"input {shortened(self.file.tensors[index].name)} must be made by "
                            f"operators before, not {kind}")
        return self.names[index]

    def map(self, operator: OperatorInfo, place: int = 0) -> str:
        """The same of a map that lies channels last, or of a vector."""
        name, index = self.operand(operator, place), self._index(operator, place)
        shape = self.shape(name)
        first = index in self.channels_first and shape[:2] != (1, 1)
        if first or self.map_shape(index) != shape:
            raise NhotError(
                f"input {shortened(self.file.tensors[index].name)} must be a map {shape}, "
                f"not {'channels first' if first else 'flattened'}"
            )
        return name

    def map_shape(self, index: int) -> Shape:
        """(height, width, channels) of a tensor of the file."""
        shape = shape_of(self.file.tensors[index])
        return as_map(shape, channels_first=index in self.channels_first and len(shape) == 3)

    def output_shape(self, operator: OperatorInfo) -> Shape:
        """The same of what an operator makes."""
        return self.map_shape(operator.outputs[0])

    def lies_first(self, operator: OperatorInfo, place: int = 0) -> bool:
        """Whether an operand is a map that lies channels first, or was when it was flattened."""
        return self._index(operator, place) in self.channels_first

    def constant(self, operator: OperatorInfo, place: int) -> TensorInfo | Floats:
        """An operand that is a constant: as the file has it, or its numbers where it was computed.
        """
        index = self._index(operator, place)
        if index not in self.constants:
            raise NhotError(f"input {shortened(self.file.tensors[index].name)} must be a constant")
        return self.constants[index]

    def is_constant(self, operator: OperatorInfo, place: int) -> bool:
        """Whether an operand is one."""
        return self._index(operator, place) in self.constants

    def reals(self, operator: OperatorInfo, place: int) -> Floats:
        """The numbers of a constant."""
        constant = self.constant(operator, place)
        return reals_of(constant) if isinstance(constant, TensorInfo) else constant

    def integers(self, operator: OperatorInfo, place: int) -> NDArray[Any]:
        """The elements of a constant of integers, as axes and sizes are."""
        constant = self.constant(operator, place)
        if not isinstance(constant, TensorInfo) or constant.type not in {"INT32", "INT64"}:
            raise NhotError(f"input {place} must be a constant of integers")
        return array_of(constant).astype(np.int64)

    def grid(self, operator: OperatorInfo, place: int = 0) -> Tensor | None:
        """The grid of an operand."""
        return grid_of(self.tensor(operator, place))

    def add(self, operator: OperatorInfo, make: Any, *inputs: str, **options: Any) -> str:
        """A step of the graph, named after the output."""
        return self.builder.add(make, self._name(operator.outputs[0]), *inputs, **options)

    def finish(self, operator: OperatorInfo, name: str, *, first: bool = False) -> None:
        """Let ``name`` be the output, after the activation that is fused, on the output's grid.

        ``first`` says that it lies channels first.
        """
        fused = operator.options.get("FusedActivationFunction", 0)
        if fused:
            if fused not in _FUSED:
                known = ", ".join(kind for kind, *_ in _FUSED.values())
                raise NhotError(f"fused activation must be one of {known}, not number {fused}")
            kind, low, high = _FUSED[fused]
            name = self.builder.add(Clamp, f"{name}/{kind}", name, low=low, high=high)
        index, made = operator.outputs[0], self.shape(name)
        if first:
            self.channels_first.add(index)
        if prod(shape_of(self.file.tensors[index])) != prod(made):
            raise NhotError(f"output must have the shape {made} (height, width, channels), "
                            f"not {shape_of(self.file.tensors[index])}")
        self._set(index, name)

    def _turned_at_once(self) -> bool:
        """Whether the input is transposed to channels last before anything else."""
        readers = [one for one in self.file.operators if self.source in one.inputs]
        if len(readers) != 1 or readers[0].kind != "TRANSPOSE":
            return False
        order: list[int] = self.integers(readers[0], 1).tolist()
        return order == [0, 2, 3, 1]

    def _set(self, index: int, name: str) -> None:
        if index in self.names or index in self.constants:
            raise NhotError(f"output {shortened(self.file.tensors[index].name)} must be made once")
        grid = grid_of(self.file.tensors[index])
        self.names[index] = name if grid is None else self.builder.quantize(name, grid)
        if index not in self.channels_first:
            self.builder.file_tensors[self.names[index]] = index

    def _index(self, operator: OperatorInfo, place: int) -> int:
        if place >= len(operator.inputs) or operator.inputs[place] < 0:
            raise NhotError(f"it must have an input {place}, not only {len(operator.inputs)}")
        return operator.inputs[place]

    def _name(self, index: int) -> str:
        """What the layer that makes a tensor is called."""
        name = first_name(self.file.tensors[index].name)
        return "/".join(part.rpartition(".")[2] for part in name.split("/"))  # without a module's

    def _called(self, operator: OperatorInfo) -> str:
        name = self._name(operator.outputs[0]) if operator.outputs else ""
        return f"Operator {shortened(name)} ({operator.kind})"
