"""From a float torch module to the layers of a quantised model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from torch import fx, nn

from nhot.errors import NhotError
from nhot.formats import Format
from nhot.network.tensor import Shape
from nhot.quant.activations import ActivationQuant
from nhot.quant.calls import Cat, Mean, Sum, as_module, operands
from nhot.quant.graph import Shapes, trace
from nhot.quant.layers import (
    QuantAdd,
    QuantAvgPool,
    QuantClamp,
    QuantConcat,
    QuantConvTranspose,
    QuantFilters,
    QuantInput,
    QuantLayer,
    QuantMaxPool,
    QuantRoundTerms,
    QuantUpsample,
    RoundingLayer,
)
from nhot.quant.supported import unsupported
from nhot.quant.weights import WeightSpec
from nhot.quant.windows import pool_window

__all__ = ["Tracer", "trace"]


class Tracer:
    """Turns the nodes of a traced model into layers, one by one.

    A node that only passes values on (Flatten), or that is fused into the layer before it (batch
    normalisation, ReLU), stands for that layer.

    Parameters
    ----------
    graph : GraphModule
    shapes : dict
        Of every tensor in the graph, from :func:`trace`.
    spec : WeightSpec
        Of all weights,
    formats : dict
        but with these formats in the layers that are named.
    bits, input_range
        As in :func:`nhot.quant.quantize`.
    activation_terms : int, optional
        Most signed powers of two in what a layer with weights reads, input included. Residual sums
        and other readers keep all bits.
    """

    def __init__(
        self, graph: fx.GraphModule, shapes: Shapes, *, spec: WeightSpec,
        formats: Mapping[str, Format], bits: int, input_range: tuple[float, float] | None,
        activation_terms: int | None = None,
    ):
        self.graph = graph
        self.shapes = shapes
        self.spec = spec
        self.formats = formats
        self.bits = bits
        self.input_range = input_range
        self.activation_terms = activation_terms
        self.layers: dict[str, QuantLayer] = {}
        self.output = ""
        self.flat = False
        self._made: dict[fx.Node, str] = {}  # the layer that a node stands for
        self._shared: set[str] = set()  # layers that more than one node reads

    def run(self) -> None:
        """Build all layers."""
        for node in self.graph.graph.nodes:
            if node.op == "placeholder":
                self._input(node)
            elif node.op == "output":
                self._output(node)
            elif node in self.shapes:
                self._layer(node)

    def _input(self, node: fx.Node) -> None:
        if self.layers:
            raise NhotError(f"Model must have one input, not a second one {node.name!r}")
        rounding = ActivationQuant(self.bits, fixed=self.input_range)
        self._add(node, QuantInput("input", (), self._shape(node), rounding))

    def _output(self, node: fx.Node) -> None:
        result = node.args[0]
        if not isinstance(result, fx.Node) or self._made.get(result, "input") == "input":
            raise NhotError("Model must give one tensor that it computed")
        self.output = self._made[result]
        self.flat = self._rank(result) == 2

    def _layer(self, node: fx.Node) -> None:
        if node.op == "get_attr":
            raise NhotError(f"Tensor {node.target!r} must be the weight or bias of a module")
        tensors = [n for n in operands(node) if n in self.shapes]
        module, what = self._module(node, tensors)
        if self.shapes[node] is None:
            raise unsupported(what, "one that gives many tensors")
        sources = [self._made[source] for source in tensors]
        count = 2 if isinstance(module, Sum | Cat) else 1
        if len(sources) < count or (len(sources) > count and not isinstance(module, Cat)):
            raise NhotError(f"{what} must work on the tensors of layers, not on a constant")
        source, before = sources[0], self.layers[sources[0]].shape
        match module:
            case nn.Conv2d() | nn.ConvTranspose2d() | nn.Linear():
                self._add(node, self._filters(node, module, self._terms(source), before))
            case nn.BatchNorm2d() | nn.BatchNorm1d():
                self._fold(node, module, source, what)
            case nn.ReLU() | nn.ReLU6():
                self._activate(node, module, source)
            case nn.MaxPool2d() | nn.AvgPool2d() | nn.AdaptiveAvgPool2d() | Mean():
                self._add(node, self._pool(node, module, source, before, what))
            case nn.Upsample():
                self._add(node, self._upsample(node, module, source, before, what))
            case Sum() | Cat():
                self._add(node, self._join(node, module, sources, what))
            case nn.Flatten():
                self._flatten(node, source, before, what)
            case nn.Dropout() | nn.Dropout2d() | nn.Identity():
                self._pass(node, source)
            case _:
                raise unsupported(what, type(module).__name__)

    def _module(self, node: fx.Node, tensors: list[fx.Node]) -> tuple[nn.Module, str]:
        """The module that a node calls, or the one that its function is, and what to call it."""
        if node.op == "call_module":
            return self.graph.get_submodule(str(node.target)), f"Module {node.target!r}"
        return as_module(node, tensors), f"Operation {node.name!r}"

    def _filters(
        self, node: fx.Node, module: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, source: str,
        before: Shape,
    ) -> QuantFilters:
        name = str(node.target)
        if name in self.layers:
            raise NhotError(f"Module {name!r} must be called once; its weights belong to one layer")
        if isinstance(module, nn.Linear) and self._rank(node) != 2:
            raise NhotError(f"Module {name!r} must work on flat samples: put a Flatten before it")
        make: Callable[..., QuantFilters] = (
            QuantConvTranspose if isinstance(module, nn.ConvTranspose2d) else QuantFilters
        )
        return make(
            name, source, self._shape(node), self._rounding(), module, before,
            self.spec.with_format(self.formats.get(name, self.spec.format)),
        )

    def _terms(self, source: str) -> str:
        """The layer to read in place of ``source``: the same in few terms, where that is wanted."""
        if self.activation_terms is None:
            return source
        name = f"{source}/terms"
        if name not in self.layers:
            layer = origin = self.layers[source]
            while not isinstance(origin, RoundingLayer):
                origin = self.layers[origin.sources[0]]
            self.layers[name] = QuantRoundTerms(
                name, source, layer.shape, origin.rounding, self.activation_terms
            )
        return name

    def _fold(
        self, node: fx.Node, norm: nn.BatchNorm2d | nn.BatchNorm1d, source: str, what: str
    ) -> None:
        layer = self.layers[source]
        fresh = (
            isinstance(layer, QuantFilters) and layer.norm is None
            and isinstance(layer.activation, nn.Identity) and source not in self._shared
        )
        if not fresh:
            raise NhotError(
                f"{what} must come directly after a Conv2d or Linear that nothing else reads, "
                f"not after {source!r}"
            )
        if norm.num_features != layer.shape[2]:
            raise NhotError(
                f"{what} must normalise the {layer.shape[2]} channels of {source!r}, "
                f"not {norm.num_features} features: put it before the Flatten"
            )
        if norm.running_mean is None:
            raise NhotError(f"{what} must track its running statistics")
        assert isinstance(layer, QuantFilters)
        layer.norm = norm
        self._pass(node, source)

    def _activate(self, node: fx.Node, module: nn.ReLU | nn.ReLU6, source: str) -> None:
        layer = self.layers[source]
        fusible = isinstance(layer, RoundingLayer) and not isinstance(layer, QuantInput)
        if fusible and source not in self._shared and isinstance(layer.activation, nn.Identity):
            layer.activation = nn.ReLU6() if isinstance(module, nn.ReLU6) else nn.ReLU()
            self._pass(node, source)
        else:
            limit = 6.0 if isinstance(module, nn.ReLU6) else None
            self._add(node, QuantClamp(self._name(node), source, layer.shape, limit))

    def _pool(
        self, node: fx.Node, module: nn.Module, source: str, before: Shape, what: str
    ) -> QuantLayer:
        window = pool_window(module, before, what)
        name, shape = self._name(node), self._shape(node)
        if window.output_size(*before[:2]) != shape[:2]:
            raise NhotError(f"{what} must not use ceil_mode: it would leave the padded input")
        if isinstance(module, nn.MaxPool2d):
            return QuantMaxPool(name, source, shape, window)
        return QuantAvgPool(name, source, shape, self._rounding(), window)

    def _upsample(
        self, node: fx.Node, module: nn.Upsample, source: str, before: Shape, what: str
    ) -> QuantLayer:
        shape = self._shape(node)
        scale = module.scale_factor
        scales = scale if isinstance(scale, tuple | list) else (1.0 if scale is None else scale,)
        whole = all(float(factor).is_integer() for factor in scales)
        if module.mode != "nearest" or not whole or shape[0] % before[0] or shape[1] % before[1]:
            raise NhotError(
                f"{what} must be nearest, by whole factors, "
                f"not {module.mode} from {before[:2]} to {shape[:2]}"
            )
        factors = (shape[0] // before[0], shape[1] // before[1])
        return QuantUpsample(self._name(node), source, shape, factors)

    def _join(
        self, node: fx.Node, module: nn.Module, sources: list[str], what: str
    ) -> QuantLayer:
        shapes = [self.layers[source].shape for source in sources]
        name, rounding = self._name(node), self._rounding()
        if isinstance(module, Sum):
            if shapes[0] != shapes[1]:
                raise NhotError(f"{what} must add tensors of one shape, not {shapes[0]} and "
                                f"{shapes[1]} (height, width, channels)")
            return QuantAdd(name, tuple(sources), shapes[0], rounding)
        assert isinstance(module, Cat)
        shape, rank = self._shape(node), self._rank(node)
        if module.dim % rank != 1 or sum(each[2] for each in shapes) != shape[2]:
            raise NhotError(
                f"{what} must join channels (axis 1), before they are flattened, not {shapes} "
                f"(height, width, channels) along axis {module.dim}"
            )
        return QuantConcat(name, tuple(sources), shape, rounding)

    def _flatten(self, node: fx.Node, source: str, before: Shape, what: str) -> None:
        """Pass on what keeps the elements of a sample in order: a vector, or a map of one pixel."""
        made = self.shapes[node]
        assert made is not None
        vector = len(made) == 2 and made[1] == math.prod(before)
        pixel = math.prod(before) == before[2] and made[1:2] == before[2:] and (
            math.prod(made[1:]) == before[2]
        )
        if not (vector or pixel):
            raise NhotError(f"{what} must flatten each sample, not make {made}")
        self._pass(node, source)

    def _rounding(self) -> ActivationQuant:
        return ActivationQuant(self.bits)

    def _name(self, node: fx.Node) -> str:
        """What users call the module; a second call of it is called as fx does."""
        name = str(node.target) if node.op == "call_module" else node.name
        return node.name if name in self.layers else name

    def _add(self, node: fx.Node, layer: QuantLayer) -> None:
        self.layers[layer.name] = layer
        self._pass(node, layer.name)

    def _pass(self, node: fx.Node, name: str) -> None:
        self._made[node] = name
        if sum(user in self.shapes or user.op == "output" for user in node.users) > 1:
            self._shared.add(name)

    def _rank(self, node: fx.Node) -> int:
        return len(self.shapes[node] or ())

    def _shape(self, node: fx.Node) -> Shape:
        """(height, width, channels) of a tensor; a vector is (1, 1, features)."""
        match (self.shapes[node] or ())[1:]:
            case (channels, height, width):
                return height, width, channels
            case (features,):
                return 1, 1, features
        raise NhotError(
            f"Tensor {node.name!r} must have shape (batch, channels, height, width) or "
            f"(batch, features), not {self.shapes[node]}"
        )
