"""What has been built of a model so far, and which step is what."""

from __future__ import annotations

import math

from torch import fx, nn

from nhot.errors import NhotError
from nhot.network.tensor import Shape
from nhot.quant.layers import QuantFilters, QuantLayer, RoundingLayer
from nhot.quant.tracing.graph import Traced
from nhot.quant.tracing.made import Made

__all__ = ["Built"]


class Built:
    """Layers, and what stands for each step of a traced model.

    Attributes
    ----------
    layers : dict
        By name, in the order they run.
    ends : dict
        The last node that each layer stands for, by its name.
    """

    def __init__(self, traced: Traced):
        self.layers: dict[str, QuantLayer] = {}
        self.ends: dict[str, fx.Node] = {}
        self._traced = traced
        self._made: dict[fx.Node, Made] = {}
        self._shared: set[str] = set()  # layers that more than one step reads

    def __contains__(self, node: fx.Node) -> bool:
        return node in self._made

    def __getitem__(self, node: fx.Node) -> Made:
        return self._made[node]

    def __setitem__(self, node: fx.Node, made: Made) -> None:
        """Let ``made`` stand for ``node``."""
        self._made[node] = made
        made.shared |= len(node.users) > 1
        if made.plain:
            self.ends[made.layer] = node
            if made.shared:
                self._shared.add(made.layer)

    def add(self, node: fx.Node, layer: QuantLayer) -> None:
        """A new layer, which stands for ``node``."""
        self.layers[layer.name] = layer
        self[node] = Made(layer.name, node)

    def settle(self, made: Made, layer: QuantLayer) -> None:
        """A new layer that does all that ``made`` waits for."""
        self.layers[layer.name] = layer
        made.layer, made.gain, made.offset, made.frame = layer.name, None, None, (0, 0, 0, 0)
        self.ends[layer.name] = made.node
        if made.shared:
            self._shared.add(layer.name)

    def open(self, made: Made) -> QuantLayer | None:
        """The layer of ``made``, if what comes next may become part of it."""
        return self.layers[made.layer] if made.plain and made.layer not in self._shared else None

    def open_filters(self, made: Made) -> QuantFilters | None:
        """The same of a layer with weights that no activation has been given to."""
        layer = self.open(made)
        if isinstance(layer, QuantFilters) and isinstance(layer.activation, nn.Identity):
            return layer
        return None

    def open_origin(self, made: Made) -> RoundingLayer | None:
        """The layer that rounds what ``made`` is, if nothing else reads it on the way."""
        layer = self.open(made)
        while layer is not None and not isinstance(layer, RoundingLayer):
            (name,) = layer.sources
            layer = None if name in self._shared else self.layers[name]
        return layer

    def origin(self, name: str) -> RoundingLayer:
        """The layer whose rounding the values of layer ``name`` are on."""
        layer = self.layers[name]
        while not isinstance(layer, RoundingLayer):
            layer = self.layers[layer.sources[0]]
        return layer

    def name(self, node: fx.Node) -> str:
        """What users call the module; a second call of it is called as fx does."""
        name = str(node.target) if node.op == "call_module" else node.name
        if name in self.layers:
            name = node.name
        while name in self.layers:
            name += "_"
        return name

    def axes(self, node: fx.Node) -> int:
        """How many axes torch's tensor has, the batch's included."""
        return int(self._traced.values[node].dim())

    def shape(self, node: fx.Node) -> Shape:
        """(height, width, channels) of a tensor; a vector is (1, 1, features)."""
        batch, *sizes = self._traced.values[node].shape
        if batch == len(self._traced.sample):
            match sizes:
                case [channels, height, width]:
                    return height, width, channels
                case [channels, length]:
                    return 1, length, channels
                case [features]:
                    return 1, 1, features
        raise NhotError(
            f"Tensor {node.name!r} must have shape (batch, channels, height, width), "
            f"(batch, channels, length) or (batch, features), not {(batch, *sizes)}"
        )

    def keeps_order(self, node: fx.Node, made: Made) -> bool:
        """Whether ``node`` gives the elements of ``made`` in order: a vector, or the map again."""
        height, width, channels = self.layers[made.layer].shape
        _, *sizes = self._traced.values[node].shape
        if math.prod(sizes) != height * width * channels:
            return False
        pixel = height == width == 1 and sizes[:1] == [channels]
        row = height == 1 and sizes == [channels, width]
        return len(sizes) == 1 or pixel or row or sizes == [channels, height, width]
