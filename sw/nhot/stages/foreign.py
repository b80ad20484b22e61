"""A model in another tool's file: by that tool's own interpreter where it is quantised."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.experiments.data.dataset import Floats, check_samples, to_integers
from nhot.filetype import identify
from nhot.frontends.dispatch import read_graph
from nhot.frontends.graph import INPUT, Graph
from nhot.frontends.graph_steps import Quantize
from nhot.network import Tensor
from nhot.stages.stage import Reals, Stage, Traced, real
from nhot.stages.stages import FloatStage

__all__ = ["InterpretedStage", "LiteStage", "OnnxStage", "open_foreign"]

Arrays = Mapping[int | str, NDArray[Any]]


def open_foreign(path: str | os.PathLike[str]) -> Stage:
    """The model in the file ``path``.

    A quantised one of TensorFlow Lite or ONNX is run by the interpreter of its tool, with the
    kernels that are written to be read; all others, QONNX among them, are run as what they say, in
    float.
    """
    graph = read_graph(path)
    if any(isinstance(one, Quantize) for one in graph.operators):
        if graph.tool == "TensorFlow Lite":
            return LiteStage(graph, Path(path).read_bytes())
        if graph.tool == "ONNX" and "QONNX" not in str(identify(path)):
            return OnnxStage(graph, path)
    from nhot.frontends.module import GraphModule

    return FloatStage(GraphModule(graph), graph.tool, graph.input[:2])


class InterpretedStage(Stage):
    """A quantised model, run by the interpreter of its own tool.

    Parameters
    ----------
    graph : Graph
    """

    def __init__(self, graph: Graph):
        self.graph, self.kind = graph, graph.tool
        self.size = graph.input[:2]
        if graph.output not in graph.file_tensors:
            raise NhotError("Model must give its output channels last, to be compared")

    def outputs(self, x: Floats) -> Reals:
        place = self.graph.file_tensors[self.graph.output]
        return self._real(self.graph.output, self._run(x)[place])

    def trace(self, x: Floats) -> list[Traced]:
        made, graph = self._run(x), self.graph
        passed = _passed(graph)
        names = [name for name, tensor in graph.file_tensors.items()
                 if tensor in made and name not in {graph.output, *passed}] + [graph.output]
        grids = _grids(graph)
        return [
            Traced(names=tuple(_called(graph, name, names)), grid=grids.get(name),
                   values=self._real(name, made[graph.file_tensors[name]]))
            for name in names
        ]

    @abstractmethod
    def _run(self, x: Floats) -> Arrays:
        """What the interpreter makes of samples: (samples, ...), by the tensor in the file."""

    def _real(self, name: str, made: NDArray[Any]) -> Reals:
        values = made.reshape(-1, *self.graph.shapes[name])
        grid = _grids(self.graph).get(name)
        if grid is None or not np.issubdtype(made.dtype, np.integer):
            return np.asarray(values, np.float64)
        return real(grid, values.astype(np.int64))


class LiteStage(InterpretedStage):
    """A quantised model of TensorFlow Lite.

    Parameters
    ----------
    graph : Graph
    data : bytes
        The file that it was read from.
    """

    def __init__(self, graph: Graph, data: bytes):
        super().__init__(graph)
        self.data = data

    def _run(self, x: Floats) -> Arrays:
        from nhot.frontends.tflite.flatbuffer import parse
        from nhot.frontends.tflite.interpreter import run_tflite

        graph, file = self.graph, parse(self.data)
        integers = file.tensors[file.inputs[0]].type != "FLOAT32"
        grid = graph.input_grid if integers else None
        if grid is not None:
            values: NDArray[Any] = to_integers(_shaped(grid, graph, INPUT), x)
        else:
            check_samples(x.shape, graph.input)
            height, width, channels = graph.input
            values = np.reshape(x, (-1, channels, height, width)).transpose(0, 2, 3, 1)
        if file.inputs[0] not in graph.channels_last:
            values = values.transpose(0, 3, 1, 2)
        return run_tflite(self.data, values)


class OnnxStage(InterpretedStage):
    """A quantised model of ONNX, run by onnxruntime.

    Parameters
    ----------
    graph : Graph
    path : path
        The file that it was read from, beside which its weights may be.
    """

    def __init__(self, graph: Graph, path: str | os.PathLike[str]):
        from nhot.frontends.onnx.protobuf import parse

        super().__init__(graph)
        self.path = os.fspath(path)
        file = parse(Path(path).read_bytes(), Path(path).parent)
        self._grid = None if file.input.type == "FLOAT" else graph.input_grid
        self._last = file.input.name in graph.channels_last

    def _run(self, x: Floats) -> Arrays:
        from nhot.frontends.onnx.interpreter import run_onnx

        return run_onnx(self.path, self._input(x), self.graph.file_tensors.values(),
                        channels_last=self.graph.channels_last)

    def _input(self, x: Floats) -> NDArray[Any]:
        """Samples as the file has its input: floats or integers, channels first or last."""
        check_samples(x.shape, self.graph.input)
        height, width, channels = self.graph.input
        values: NDArray[Any] = np.reshape(x, (-1, channels, height, width))
        if self._grid is not None:
            integers = to_integers(_shaped(self._grid, self.graph, INPUT), x)
            values = integers.transpose(0, 3, 1, 2)
        return values.transpose(0, 2, 3, 1) if self._last else values


def _grids(graph: Graph) -> dict[str, Tensor]:
    return {one.name: _shaped(one.grid, graph, one.name) for one in graph.operators
            if isinstance(one, Quantize)}


def _shaped(grid: Tensor, graph: Graph, name: str) -> Tensor:
    return Tensor(name=name, shape=graph.shapes[name], bits=grid.bits, signed=grid.signed,
                  scale=grid.scale, zero_point=grid.zero_point)


def _passed(graph: Graph) -> set[str]:
    """What is only completed, limited or rounded: a layer is seen behind that, if the file has it
    in float."""
    readers = Counter(name for one in graph.operators for name in one.inputs)
    grids, continued = _grids(graph), graph.continued
    return {
        one.inputs[0] for one in graph.operators
        if one.name in graph.file_tensors and one.inputs[0] not in grids
        and one.name in continued
        and (isinstance(one, Quantize) or readers[one.inputs[0]] == 1)
    }


def _called(graph: Graph, name: str, others: Collection[str]) -> Iterator[str]:
    """``name``, and the steps that became one layer with it: what it rounds, limits, completes."""
    yield name
    while name in graph.continued and graph.continued[name] not in others:
        name = graph.continued[name]
        yield name
