"""A model in another tool's file: by that tool's own interpreter where it is quantised."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.experiments.data.dataset import Floats, to_integers
from nhot.frontends.graph import INPUT, Graph
from nhot.frontends.operators import Clamp, Quantize
from nhot.frontends.read import read_graph
from nhot.network import Tensor
from nhot.stages.stage import Reals, Stage, Traced, real
from nhot.stages.stages import FloatStage

__all__ = ["InterpretedStage", "open_foreign"]

Arrays = Mapping[int | str, NDArray[Any]]


def open_foreign(path: str | os.PathLike[str]) -> Stage:
    """The model in the file ``path``.

    A quantised one of TensorFlow Lite is run by its interpreter, with the kernels that are written
    to be read; all others are run as what they say, in float.
    """
    graph = read_graph(path)
    quantised = any(isinstance(one, Quantize) for one in graph.operators)
    if quantised and graph.tool == "TensorFlow Lite":
        return InterpretedStage(graph, Path(path).read_bytes())
    from nhot.frontends.module import GraphModule

    return FloatStage(GraphModule(graph), graph.tool, graph.input[:2])


class InterpretedStage(Stage):
    """A quantised model of TensorFlow Lite.

    Parameters
    ----------
    graph : Graph
    data : bytes
        The file that it was read from.
    """

    def __init__(self, graph: Graph, data: bytes):
        self.graph, self.data, self.kind = graph, data, graph.tool
        self.size = graph.input[:2]
        if graph.output not in graph.file_tensors:
            raise NhotError("Model must give its output channels last, to be compared")

    def outputs(self, x: Floats) -> Reals:
        place = self.graph.file_tensors[self.graph.output]
        return self._real(self.graph.output, self._run(x)[place])

    def trace(self, x: Floats) -> list[Traced]:
        made, graph = self._run(x), self.graph
        names = [name for name in graph.file_tensors if graph.file_tensors[name] in made]
        names = [*(name for name in names if name != graph.output), graph.output]
        grids = _grids(graph)
        return [
            Traced(names=tuple(_called(graph, name)), grid=grids.get(name),
                   values=self._real(name, made[graph.file_tensors[name]]))
            for name in names
        ]

    def _run(self, x: Floats) -> Arrays:
        from nhot.frontends.tflite.file import parse
        from nhot.frontends.tflite.interpreter import run_tflite

        graph, file = self.graph, parse(self.data)
        whole = Tensor(name=INPUT, shape=graph.input)
        integers = file.tensors[file.inputs[0]].type != "FLOAT32"
        grid = graph.input_grid if integers else None
        if grid is not None:
            values: NDArray[Any] = to_integers(_shaped(grid, graph, INPUT), x)
        else:
            to_integers(whole, x[:0])  # for its check of the shape
            height, width, channels = graph.input
            values = np.reshape(x, (-1, channels, height, width)).transpose(0, 2, 3, 1)
        names = {INPUT, *(one.name for one in graph.operators
                          if isinstance(one, Quantize) and one.inputs == (INPUT,))}
        first = names.isdisjoint(graph.file_tensors)
        return run_tflite(self.data, values.transpose(0, 3, 1, 2) if first else values)

    def _real(self, name: str, made: NDArray[Any]) -> Reals:
        values = made.reshape(-1, *self.graph.shapes[name])
        grid = _grids(self.graph).get(name)
        if grid is None or not np.issubdtype(made.dtype, np.integer):
            return np.asarray(values, np.float64)
        return real(grid, values.astype(np.int64))


def _grids(graph: Graph) -> dict[str, Tensor]:
    return {one.name: _shaped(one.grid, graph, one.name) for one in graph.operators
            if isinstance(one, Quantize)}


def _shaped(grid: Tensor, graph: Graph, name: str) -> Tensor:
    return Tensor(name=name, shape=graph.shapes[name], bits=grid.bits, signed=grid.signed,
                  scale=grid.scale, zero_point=grid.zero_point)


def _called(graph: Graph, name: str) -> Iterator[str]:
    """``name``, and the steps that became one layer with it: what it rounds, what that limits."""
    sources = {one.name: one.inputs[0] for one in graph.operators
               if isinstance(one, Quantize | Clamp)}
    yield name
    while name in sources:
        name = sources[name]
        if name in graph.file_tensors:
            return
        yield name
