"""A model of another tool as a graph of steps: checked, and within bounds, before anything runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

from nhot.errors import NhotError
from nhot.frontends.graph_steps import Affine, BatchNorm, Clamp, Filters, Operator, Quantize
from nhot.network.names import LONGEST, check_name
from nhot.network.tensor import Shape, Tensor

__all__ = ["INPUT", "Builder", "Graph"]

INPUT = "input"
"""What the input is called in every graph, and in the networks made of it."""

MOST_OPERATORS = 1 << 12
MOST_ELEMENTS = 1 << 26
"""Of all tensors together: a model is run on a few samples before it becomes a network."""
MOST_WEIGHTS = 1 << 27
MOST_MACS = 1 << 36


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """A model with one input and one output.

    Parameters
    ----------
    tool : str
        Kind of the file, as TensorFlow Lite.
    operators : tuple of Operator
        In an order in which they can run.
    shapes : dict
        (height, width, channels) of each tensor by name, the input's first.
    output : str
    file_tensors : dict
        What a tensor is in the file, by its name here: its index or its name there. Of those that
        are the same here, the last one whose elements lie as (height, width, channels).
    left_out : tuple of str
        Operators behind the output that are not in the graph, as a softmax.
    channels_last : frozenset
        Tensors of the file, the input among them, that lie so where others lie channels first.
    """

    tool: str
    operators: tuple[Operator, ...]
    shapes: Mapping[str, Shape]
    output: str
    file_tensors: Mapping[str, int | str]
    left_out: tuple[str, ...] = ()
    channels_last: frozenset[int | str] = frozenset()

    @property
    def input(self) -> Shape:
        """The input's shape."""
        return self.shapes[INPUT]

    @property
    def input_grid(self) -> Tensor | None:
        """The grid that the input is on at once, where the file says one."""
        readers = [operator for operator in self.operators if INPUT in operator.inputs]
        first = readers[0] if len(readers) == 1 else None
        return first.grid if isinstance(first, Quantize) else None

    @property
    def filters(self) -> tuple[Filters, ...]:
        """What has weights."""
        return tuple(one for one in self.operators if isinstance(one, Filters))

    @cached_property
    def continued(self) -> Mapping[str, str]:
        """Steps that become one layer with the one that they read, by name: grids, limits, and
        behind weights a bias or normalisation."""
        layers, found = {one.name for one in self.filters}, dict[str, str]()
        for one in self.operators:
            source = one.inputs[0]
            if isinstance(one, Affine | BatchNorm) and source in layers:
                layers.add(one.name)
                found[one.name] = source
            elif isinstance(one, Quantize | Clamp):
                found[one.name] = source
        return found

    @property
    def macs(self) -> int:
        """Multiply-accumulates of an inference."""
        return sum(one.macs(self.shapes[one.name]) for one in self.operators)


class Builder:
    """Puts a graph together step by step; what cannot be, or is beyond all bounds, is refused.

    Parameters
    ----------
    tool : str
    shape : (height, width, channels)
        Of the input.

    Attributes
    ----------
    file_tensors, channels_last : dict, set
        As :class:`Graph` has them.
    """

    def __init__(self, tool: str, shape: Shape):
        self.tool = tool
        self.operators: list[Operator] = []
        self.shapes: dict[str, Shape] = {INPUT: shape}
        self._elements = self._weights = self._macs = 0
        self.file_tensors: dict[str, int | str] = {}
        self.channels_last: set[int | str] = set()
        self._grids: dict[tuple[str, Tensor], str] = {}
        self._on: dict[str, Tensor] = {}
        self._count(shape)

    def add(self, make: Callable[..., Operator], name: str, *inputs: str, **options: object) -> str:
        """Add a step that ``make`` gives, named after what a file calls it; returns its name."""
        operator = make(name=self._unique(name), inputs=inputs, **options)
        shape = operator.infer(*(self.shapes[source] for source in inputs))
        if isinstance(operator, Filters):
            self._weights += operator.weights.size
            self._bound("weights", self._weights, MOST_WEIGHTS)
        self._macs += operator.macs(shape)
        self._bound("multiply-accumulates", self._macs, MOST_MACS)
        self._bound("operators", len(self.operators) + 1, MOST_OPERATORS)
        self._count(shape)
        self.operators.append(operator)
        self.shapes[operator.name] = shape
        return operator.name

    def quantize(self, source: str, grid: Tensor) -> str:
        """Add the grid that the tensor ``source`` is on; the same one again is the same tensor."""
        grid = replace(grid, name="grid")
        key, on = (source, grid), self._on.get(source)
        if on == grid:
            return source
        if key not in self._grids:
            self._grids[key] = self.add(Quantize, f"{source}/grid", source, grid=grid)
            self._on[self._grids[key]] = grid
        return self._grids[key]

    def graph(self, output: str, left_out: tuple[str, ...] = ()) -> Graph:
        """All that ``output`` depends on."""
        needed, kept = {output}, []
        for operator in reversed(self.operators):
            if operator.name in needed:
                needed.update(operator.inputs)
                kept.append(operator)
        if not any(isinstance(one, Filters) for one in kept):
            raise NhotError("Model must have at least one operator with weights")
        return Graph(
            tool=self.tool, operators=tuple(reversed(kept)), output=output, left_out=left_out,
            shapes={name: shape for name, shape in self.shapes.items() if name in needed},
            file_tensors=self.file_tensors, channels_last=frozenset(self.channels_last),
        )

    def _count(self, shape: Shape) -> None:
        self._elements += prod(shape)
        self._bound("elements of activations", self._elements, MOST_ELEMENTS)

    def _bound(self, what: str, count: int, most: int) -> None:
        if count > most:
            raise NhotError(f"Model must have at most {most:,} {what}, not {count:,}")

    def _unique(self, name: str) -> str:
        """A name for a layer and for a module of torch: letters, digits, ``_`` and ``/``."""
        plain = re.sub(r"[^\w/]", "_", name)[: LONGEST - 32].strip("/") or "layer"
        unique, number = plain, 1
        while unique in self.shapes:
            number += 1
            unique = f"{plain}_{number}"
        check_name(unique, "a layer")
        return unique
