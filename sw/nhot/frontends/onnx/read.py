"""From an ONNX file to a graph."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nhot.errors import NhotError
from nhot.frontends.conventions import as_map, first_name
from nhot.frontends.graph import INPUT, Builder, Graph
from nhot.frontends.onnx.constants import Constant
from nhot.frontends.onnx.folding import FOLDED, fold
from nhot.frontends.onnx.layout import Dims, lies_as, turned_at_once
from nhot.frontends.onnx.protobuf import File, NodeInfo, ValueInfo, parse
from nhot.network.tensor import Shape
from nhot.printable import shortened

if TYPE_CHECKING:
    from nhot.frontends.onnx.grids import Rounded

__all__ = ["ODD", "TOOL", "Reader", "read_onnx"]

TOOL = "ONNX"

LAST = ("Softmax", "LogSoftmax", "Sigmoid")
"""Left out where nothing comes after: the order of the outputs is the same without."""

_BEHIND = ("QuantizeLinear", "DequantizeLinear", "Quant", "IntQuant", "Identity", "Cast", "Flatten",
           "Reshape", "Squeeze")
"""What may come after those, and is left out with them."""

_MOVES = ("Identity", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose")
"""What may be done to integers, too, as no number changes."""

MOST_FOLDED = 1 << 28
"""Elements that are computed of constants alone."""

ODD = (TypeError, ValueError, IndexError, KeyError, AttributeError, ArithmeticError)
"""What numbers in place of lists, texts in place of numbers, ... raise."""


def read_onnx(data: bytes, folder: Path | None = None) -> Graph:
    """The model in ``data``; constants outside of it are in files in ``folder``.

    A softmax or sigmoid at the end is left out.

    Raises
    ------
    NhotError
        The file is damaged, or has what is not supported: the operator is named, and the reason.
    MissingToolError
        The package onnx is not installed.
    """
    return Reader(parse(data, folder)).graph()


class Reader:
    """Reads operators one by one; each has the names of what it made for those that come after.

    Tensors of the file are (batch, channels, height, width), (batch, channels, width), or flat. A
    flat tensor stands for the map that it was flattened from. What came from TensorFlow is
    transposed at the input, and before maps are flattened: tensors that lie channels last are
    noted, and stand for the same maps.

    Attributes
    ----------
    names, dims : dict
        Of what is computed, by its name in the file: its name in the graph, its sizes without the
        batch.
    rounded : dict
        Of what is in integers, whose name and sizes are those of what was rounded.
    constants : dict
    channels_last : set
        What lies so, or did when it was flattened.
    """

    def __init__(self, file: File, tool: str = TOOL):
        self.file = file
        self.constants = {name: Constant(values=one) for name, one in file.constants.items()}
        self.names: dict[str, str] = {}
        self.dims: dict[str, Dims] = {}
        self.rounded: dict[str, Rounded] = {}
        self._folded = 0
        dims, last = _sample(file.input), turned_at_once(file)
        self.builder = Builder(tool, as_map(dims, channels_first=not last))
        self.channels_last = self.builder.channels_last
        self.channels_last.update([file.input.name] if last else ())
        self._input(file.input, dims)
        self.result, self.left_out = self._end()

    def graph(self) -> Graph:
        """All operators that the output depends on."""
        for node in self._needed():
            try:
                self._read(node)
            except NhotError as error:
                raise NhotError(f"{_called(node)}: {error}") from None
            except ODD:
                raise NhotError(f"{_called(node)}: its attributes must be of the types, and as "
                                "many, as the standard says") from None
        if self.result in self.rounded:
            self._unpack(self.result)
        if self.names.get(self.result, INPUT) == INPUT:
            raise NhotError("Model must compute its output from its input")
        return self.builder.graph(self.names[self.result], self.left_out)

    def _read(self, node: NodeInfo) -> None:
        from nhot.frontends.onnx.grids import GRIDS
        from nhot.frontends.onnx.operators import CONVERSIONS

        given = [name for name in node.inputs if name]
        if node.kind == "Shape" and given and given[0] in self.dims:
            self._constant(node, Constant(values=self._shape(node, given[0])))
        elif node.kind in FOLDED and all(name in self.constants for name in given):
            self._constant(node, fold(node, self.constants_of(node)))
        elif node.kind in GRIDS and (node.kind != "Clip" or not self.rounded.keys().isdisjoint(
            given[:1]
        )):
            GRIDS[node.kind](self, node)
        elif node.kind in CONVERSIONS:
            CONVERSIONS[node.kind](self, node)
        else:
            last = f" ({', '.join(LAST)} as the last one)" if node.kind in LAST else ""
            known = ", ".join(sorted({*CONVERSIONS, *GRIDS}))
            raise NhotError(f"it must be one of {known}{last}, not {shortened(node.kind)}")

    # What conversions ask for.

    def shape(self, name: str) -> Shape:
        """The shape of a tensor of the graph."""
        return self.builder.shapes[name]

    def operand(self, node: NodeInfo, place: int = 0) -> str:
        """The name of an operand that is computed, a map or flat."""
        name = node.inputs[place] if place < len(node.inputs) else ""
        if not name:
            raise NhotError(f"it must have an input {place}")
        whole = name in self.rounded and node.kind not in _MOVES
        if name not in self.names or whole:
            kind = "made later, or never"
            if name in self.constants:
                kind = "a constant"
            elif whole:
                kind = "in integers, which DequantizeLinear must read"
            raise NhotError(f"input {shortened(name)} must be made by operators before, not {kind}")
        return self.names[name]

    def map(self, node: NodeInfo, place: int = 0) -> str:
        """The same of a map, or of a vector."""
        name, last = self.any_map(node, place)
        if last:
            raise NhotError(f"input {shortened(node.inputs[place])} must lie channels first, "
                            f"not last")
        return name

    def any_map(self, node: NodeInfo, place: int = 0) -> tuple[str, bool]:
        """The same, and whether it lies channels last."""
        name = self.operand(node, place)
        dims, last = self.dims[node.inputs[place]], node.inputs[place] in self.channels_last
        if not lies_as(dims, self.shape(name), last=last):
            raise NhotError(f"input {shortened(node.inputs[place])} must be a map "
                            f"{self.shape(name)} (height, width, channels), not flattened")
        return name, last

    def constant(self, node: NodeInfo, place: int) -> Constant:
        """An operand that is a constant."""
        name = node.inputs[place] if place < len(node.inputs) else ""
        if name not in self.constants:
            raise NhotError(f"input {shortened(name)} must be a constant")
        return self.constants[name]

    def constants_of(self, node: NodeInfo) -> list[Constant | None]:
        """All operands; None of those left out, or computed."""
        return [self.constants.get(name) if name else None for name in node.inputs]

    def add(self, node: NodeInfo, make: Any, *inputs: str, **options: Any) -> str:
        """A step of the graph, named after the operator."""
        return self.builder.add(make, _name(node), *inputs, **options)

    def finish(self, node: NodeInfo, name: str, dims: Dims | None = None, *, tensor: str = "",
               last: bool | None = None, rounded: Rounded | None = None) -> None:
        """Let ``name`` be the output, of sizes ``dims`` or with as many axes as the input.

        ``tensor`` is what has its elements in the file, where that is not the output; ``last`` says
        whether they lie channels last, if not as those of the input do; it is in integers as
        ``rounded`` says, or as integers are that are moved.
        """
        output = node.outputs[0] if node.outputs else ""
        if output in self.names or output in self.constants or not output:
            raise NhotError(f"output {shortened(output)} must be made once")
        if last is None:
            last = not self.channels_last.isdisjoint(node.inputs)
        height, width, channels = self.shape(name)
        if dims is None:
            rows = (height, width)[3 - len(self.dims[node.inputs[0]]):]
            dims = (*rows, channels) if last else (channels, *rows)
        if prod(dims) != prod(self.shape(name)):
            raise NhotError(f"it must make {prod(dims)} elements, not {self.shape(name)}")
        self.names[output], self.dims[output] = name, dims
        if node.kind in _MOVES:
            rounded = self.rounded.get(node.inputs[0])
        if rounded is not None:
            self.rounded[output] = rounded
        if last and dims != (channels,):  # a vector lies as it does
            self.channels_last.add(output)
        if rounded is None and lies_as(dims, self.shape(name), last=output in self.channels_last):
            self.builder.file_tensors[name] = tensor or output

    # The two ends of the file, and what lies between.

    def _input(self, value: ValueInfo, dims: Dims) -> None:
        from nhot.frontends.onnx.grids import Rounded

        self.names[value.name], self.dims[value.name] = INPUT, dims
        self.builder.file_tensors[INPUT] = value.name
        if value.type in {"INT8", "UINT8"}:
            signed = value.type == "INT8"
            self.rounded[value.name] = Rounded(
                signed=signed, low=-128 if signed else 0,
                high=127 if signed else 255, scale=None)
        elif value.type not in {"FLOAT", "FLOAT16", "DOUBLE"}:
            raise NhotError(f"Input must be of floats, INT8 or UINT8, not of {value.type}")

    def _end(self) -> tuple[str, tuple[str, ...]]:
        """What the output is without a softmax at the end, and what is left out."""
        makers = {node.outputs[0]: node for node in self.file.nodes if node.outputs}
        name, passed = self.file.output.name, 0
        while passed <= len(self.file.nodes):  # a circle has no end
            node = makers.get(name)
            if node is None or not node.inputs or node.kind not in {*_BEHIND, *LAST}:
                break
            name, passed = node.inputs[0], passed + 1
            if node.kind in LAST:
                return name, (node.kind,)
        return self.file.output.name, ()

    def _needed(self) -> list[NodeInfo]:
        """The operators that the result depends on, in the order of the file."""
        needed, kept = {self.result}, []
        for node in reversed(self.file.nodes):
            if not needed.isdisjoint(node.outputs):
                needed.update(node.inputs)
                kept.append(node)
        return kept[::-1]

    def _unpack(self, result: str) -> None:
        """The output where it is left in integers."""
        from nhot.frontends.onnx.grids import on_grid

        rounded = self.rounded[result]
        self.names[result] = on_grid(self, self.names[result], rounded)
        self.builder.file_tensors[self.names[result]] = result

    def _constant(self, node: NodeInfo, constant: Constant) -> None:
        (output, *_) = node.outputs or ("",)
        if output in self.constants or output in self.names:
            raise NhotError(f"output {shortened(output)} must be made once")
        self._folded += constant.values.size
        if self._folded > MOST_FOLDED:
            raise NhotError(f"its constants must have at most {MOST_FOLDED:,} elements with those "
                            "before")
        self.constants[output] = constant

    def _shape(self, node: NodeInfo, name: str) -> Any:
        sizes = (1, *self.dims[name])
        return np.array(sizes[node.attributes.get("start") or 0 : node.attributes.get("end")],
                        np.int64)


def _sample(value: ValueInfo) -> Dims:
    """The sizes of one sample; a batch must be of one, or of any size, and the rest be fixed."""
    batch, *sizes = value.shape or (0,)
    if batch not in {1, -1} or min(sizes, default=0) < 1:
        raise NhotError(f"Input {shortened(value.name)} must have a fixed shape and a batch of 1, "
                        f"not {shortened(value.shape)} (-1 is not fixed)")
    return tuple(sizes)


def _name(node: NodeInfo) -> str:
    """What a layer is called: as the operator, or as what it makes."""
    return first_name(node.name or (node.outputs[0] if node.outputs else "")).strip("/")


def _called(node: NodeInfo) -> str:
    return f"Operator {shortened(_name(node))} ({shortened(node.kind)[1:-1]})"
