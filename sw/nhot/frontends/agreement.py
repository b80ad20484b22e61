"""How near the integers of a network are to those of the file that it was made from.

Each layer is given what the file's own interpreter made of the layers before, so that what differs
is its own doing, and then the network is run as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.frontends.graph import Graph
from nhot.frontends.graph_steps import Quantize
from nhot.network import Network
from nhot.network.reference import run, run_node

__all__ = ["Agreement", "LayerAgreement", "agreement"]


@dataclass(frozen=True, kw_only=True)
class LayerAgreement:
    """One layer beside the file's.

    Parameters
    ----------
    layer, operator : str
    largest : int
        Difference of two integers.
    differing : float
        Part of the integers that differ.
    """

    layer: str
    operator: str
    largest: int
    differing: float


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """A network beside its file.

    Parameters
    ----------
    layers : tuple of LayerAgreement
        Each by itself; those that the file has no tensor of are left out.
    largest : int
        Difference of two outputs of the whole.
    classes : float
        Part of the samples whose largest output is the same.
    samples : int
    """

    layers: tuple[LayerAgreement, ...]
    largest: int
    classes: float
    samples: int


def agreement(
    network: Network, graph: Graph, tensors: Mapping[int | str, NDArray[Any]]
) -> Agreement:
    """Compare ``network``, made of ``graph``, with what the file's interpreter made.

    Parameters
    ----------
    tensors : dict
        By what ``graph.file_tensors`` says: (samples, height, width, channels) integers, or
        flattened. Those of the input and the output must be there.
    """
    values = _values(network, graph, tensors)
    for name in (network.input.name, network.output_name):
        if name not in values:
            raise NhotError(f"File must have a quantised tensor for {name!r}")
    layers = []
    for node in network.nodes:
        if node.name in values and all(name in values for name in node.inputs):
            made = run_node(node, network.inputs(node), [values[name] for name in node.inputs])
            difference = np.abs(made - values[node.name])
            layers.append(LayerAgreement(
                layer=node.name, operator=type(node).__name__, largest=int(difference.max()),
                differing=float((difference > 0).mean()),
            ))
    expected = values[network.output_name].reshape(len(values[network.output_name]), -1)
    made = run(network, values[network.input.name]).reshape(expected.shape)
    return Agreement(
        layers=tuple(layers), largest=int(np.abs(made - expected).max()),
        classes=float((made.argmax(1) == expected.argmax(1)).mean()), samples=len(made),
    )


def _values(
    network: Network, graph: Graph, tensors: Mapping[int | str, NDArray[Any]]
) -> dict[str, Ints]:
    """The integers of each layer as the file has them, (samples, height, width, channels)."""
    grids = {one.name: one.grid for one in graph.operators if isinstance(one, Quantize)}
    values: dict[str, Ints] = {}
    for name, index in graph.file_tensors.items():
        if name not in grids or index not in tensors:
            continue
        layer = name
        while layer not in network.tensors and layer in graph.continued:
            layer = graph.continued[layer]
        if layer in network.tensors:
            tensor, grid = network.tensors[layer], grids[name]
            integers = tensors[index].astype(np.int64) - grid.zero_point + tensor.zero_point
            values[layer] = integers.reshape(-1, *tensor.shape)
    return values
