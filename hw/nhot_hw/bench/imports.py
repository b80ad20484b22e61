"""How near quantised models of other tools are to their own interpreter once they are networks."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.frontends import read_graph
from nhot.frontends.agreement import agreement
from nhot.frontends.graph import Graph
from nhot.frontends.tflite.interpreter import run_tflite
from nhot.network import Network
from nhot.progress import track

__all__ = ["COLUMNS", "SAMPLES", "Row", "legend", "measure"]

SAMPLES = 1000
"""Inputs of each model."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A model.

    Parameters
    ----------
    model, inputs : str
    seconds : float
        From the file to the network.
    layers, macs : int
    largest_of_layer : int
        Difference of two integers, each layer being given what the interpreter made before.
    differing : float
        Part of the integers that differ so, the mean of all layers.
    largest : int
        The same of the outputs of the whole.
    classes : float
        Part of the inputs whose largest output is the same.
    own_classes : float
        The same of the interpreter's fast kernels and its reference kernels.
    """

    model: str
    inputs: str
    seconds: float
    layers: int
    macs: int
    largest_of_layer: int
    differing: float
    largest: int
    classes: float
    own_classes: float

    def cells(self) -> list[str]:
        """The row of the table, in the order of :data:`COLUMNS`."""
        return [
            self.model, self.inputs, f"{self.seconds:.2f}", str(self.layers),
            f"{self.macs / 1e6:.2f}", str(self.largest_of_layer), f"{self.differing:.2%}",
            str(self.largest), f"{self.classes:.1%}", f"{self.own_classes:.1%}",
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


COLUMNS = ("model", "inputs", "seconds", "layers", "MMAC", "layer", "differing", "whole", "class",
           "own class")


def measure(folder: Path, data: Path | None = None) -> list[Row]:
    """A row for each model of 8 bits in ``folder``, the files ``*_int8.tflite``.

    Inputs are drawn at random, all over the input's range. Those of the image classifier of MLPerf
    Tiny are test images of CIFAR-10 where ``data`` is the folder of these.
    """
    paths = sorted(folder.glob("*_int8.tflite"))
    if not paths:
        raise NhotError(f"Folder of models {str(folder)!r} must have files *_int8.tflite")
    return [_row(path, data) for path in track(paths, "imports", unit="models")]


def legend() -> list[str]:
    """What the columns mean, one sentence a line."""
    return [
        "seconds: from the file to the integer network in int8, exact weights.",
        "layer: largest difference of a layer that reads what TensorFlow Lite's kernels made.",
        "differing: part of the integers of a layer that differ so, the mean of all layers.",
        "whole: largest difference of an output of the whole network.",
        "class: part of the inputs whose largest output is the same.",
        "own class: that part of TensorFlow Lite's own default kernels beside its reference.",
    ]


def _row(path: Path, data: Path | None) -> Row:
    start = time.perf_counter()
    graph, network = _network(path)
    seconds = time.perf_counter() - start
    grid = graph.input_grid
    if grid is None:
        raise NhotError(f"Model {str(path)!r} must have a quantised input")
    images = data is not None and path.name.startswith("ic")
    x = _images(data) if images else np.random.default_rng(0).integers(
        grid.low, grid.high + 1, (SAMPLES, *graph.input)
    )
    if images:
        x += grid.low
    content = path.read_bytes()
    tensors = run_tflite(content, x)
    fast = run_tflite(content, x, reference=False)
    found = agreement(network, graph, tensors)
    output = graph.file_tensors[graph.output]
    return Row(
        model=path.stem, inputs="CIFAR-10" if images else "random", seconds=seconds,
        layers=len(network.nodes), macs=graph.macs, classes=found.classes, largest=found.largest,
        largest_of_layer=max(one.largest for one in found.layers),
        differing=_mean(one.differing for one in found.layers),
        own_classes=float((tensors[output].argmax(1) == fast[output].argmax(1)).mean()),
    )


def _network(path: Path) -> tuple[Graph, Network]:
    from nhot.frontends.module import GraphModule
    from nhot.quant import quantize, to_network

    graph = read_graph(path)
    return graph, to_network(quantize(GraphModule(graph), "int8", None), path.stem)


def _images(data: Path | None) -> Ints:
    """Test images, as bytes. (samples, height, width, channels)"""
    from nhot.experiments.data.cifar10 import load_cifar10

    assert data is not None
    pixels = load_cifar10(data).test_x[:SAMPLES]
    return np.rint(pixels * 255).astype(np.int64).transpose(0, 2, 3, 1)


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
