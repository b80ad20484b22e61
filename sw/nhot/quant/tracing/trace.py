"""From a float torch module to the layers of a quantised model."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor, fx, nn

from nhot.errors import NhotError
from nhot.formats import Format
from nhot.network import Window
from nhot.quant.activations import ActivationQuant, GivenGrid
from nhot.quant.layers import (
    QuantAffine,
    QuantAvgPool,
    QuantClamp,
    QuantConvTranspose,
    QuantFilters,
    QuantInput,
    QuantRoundTerms,
    RoundingLayer,
)
from nhot.quant.tracing.built import Built
from nhot.quant.tracing.calls import as_module, operands
from nhot.quant.tracing.convert import (
    activation,
    alike,
    joined,
    pooled,
    round_to,
    takes_frame,
    upsampled,
)
from nhot.quant.tracing.frozen import FrozenNorm, gain_and_offset, scale_norm
from nhot.quant.tracing.graph import Traced
from nhot.quant.tracing.made import Made
from nhot.quant.tracing.steps import Affine, Cat, Largest, Mean, OnGrid, Pad, Sum, limits
from nhot.quant.tracing.supported import unsupported
from nhot.quant.tracing.widen import axes_of, widened
from nhot.quant.tracing.windows import check_mean, frame_of, framed, zeros_around
from nhot.quant.weights import WeightSpec

__all__ = ["Tracer"]

_PASSED = (nn.modules.dropout._DropoutNd, nn.Identity)


class Tracer:
    """Turns the nodes of a traced model into layers, one by one.

    A node that only passes values on (Flatten), or that is fused into the layer before it (batch
    normalisation, ReLU), stands for that layer. Constant factors and offsets, and zeros around a
    map, wait until it is known what reads them: they become part of its weights or its window
    where that is exact, and otherwise a 1x1 convolution of their own, one weight a channel.

    Parameters
    ----------
    traced : Traced
    spec : WeightSpec
        Of all weights,
    formats : dict
        but with these formats in the layers that are named.
    bits, input_range
        As in :func:`nhot.quant.quantize`.
    activation_terms : int, optional
        Most signed powers of two in what a layer with weights reads, input included. Residual sums
        and other readers keep all bits.

    Attributes
    ----------
    built : Built
        The layers,
    output : str
        the one that gives the output,
    axes : int
        and how many axes that has in torch.
    """

    def __init__(
        self, traced: Traced, *, spec: WeightSpec, formats: Mapping[str, Format], bits: int,
        input_range: tuple[float, float] | None, activation_terms: int | None = None,
    ):
        self.traced = traced
        self.spec = spec
        self.formats = formats
        self.bits = bits
        self.input_range = input_range
        self.activation_terms = activation_terms
        self.built = Built(traced)

    def run(self) -> None:
        """Build all layers."""
        for node in self.traced.graph.graph.nodes:
            if node.op == "placeholder":
                self._input(node)
            elif node.op == "output":
                self._output(node)
            elif node.op != "get_attr":
                self._layer(node)

    def _input(self, node: fx.Node) -> None:
        rounding = ActivationQuant(self.bits, fixed=self.input_range)
        self.built.add(node, QuantInput("input", (), self.built.shape(node), rounding))

    def _output(self, node: fx.Node) -> None:
        result = node.args[0]
        if not isinstance(result, fx.Node) or result not in self.built:
            raise NhotError("Model must give one tensor that it computed")
        self.output, self.axes = self._source(self.built[result]), self.built.axes(result)
        if self.output == "input":
            raise NhotError("Model must give one tensor that it computed")

    def _layer(self, node: fx.Node) -> None:
        tensors = [source for source in operands(node) if source in self.built]
        module, what = self._module(node)
        if not isinstance(self.traced.values[node], Tensor):
            raise unsupported(what, "one that gives many tensors")
        count = 2 if isinstance(module, Sum | Cat) else 1
        if len(tensors) < count or (len(tensors) > count and not isinstance(module, Cat)):
            raise NhotError(f"{what} must work on the tensors of layers, not on a constant")
        self._check_axes(module, tensors[0], what)
        self._build(node, widened(module), [self.built[source] for source in tensors], what)

    def _build(self, node: fx.Node, module: nn.Module, sources: list[Made], what: str) -> None:
        made = sources[0]
        match module:
            case nn.Conv2d() | nn.Linear():
                self._filters(node, module, made)
            case nn.ConvTranspose2d():
                self._transposed(node, module, made)
            case nn.BatchNorm2d() | nn.BatchNorm1d() | nn.SyncBatchNorm():
                self._normalise(node, module, made, what)
            case Affine():
                self._affine(node, module, made, what)
            case Pad() | nn.ConstantPad1d() | nn.ConstantPad2d():
                self._pad(node, module, made, what)
            case nn.ReLU() | nn.Hardtanh():
                self._activate(node, module, made)
            case OnGrid():
                self._on_grid(node, module, made)
            case nn.MaxPool2d() | nn.AvgPool2d() | nn.AdaptiveAvgPool2d() | Mean() | Largest():
                self._pool(node, module, made, what)
            case nn.Upsample():
                source, shape = self.built.layers[self._source(made)], self.built.shape(node)
                name = self.built.name(node)
                self.built.add(node, upsampled(name, module, source, shape, what))
            case Sum() | Cat():
                layers = [self.built.layers[self._source(source)] for source in sources]
                name, axes = self.built.name(node), self.built.axes(node)
                self.built.add(node, joined(name, module, layers, axes, self._rounding(), what))
            case nn.Flatten() | nn.Unflatten():
                self._flatten(node, made, what)
            case _ if isinstance(module, _PASSED):
                self._unchanged(node, made, what)
            case _:
                raise unsupported(what, type(module).__name__, last=_last(node))

    def _module(self, node: fx.Node) -> tuple[nn.Module, str]:
        """The module that a node calls, or the one that its function is, and what to call it."""
        if node.op == "call_module":
            module = self.traced.graph.get_submodule(str(node.target))
            return module, f"Module {node.target!r}"
        return as_module(node, self.traced, last=_last(node)), f"Operation {node.name!r}"

    def _filters(self, node: fx.Node, module: nn.Conv2d | nn.Linear, made: Made) -> None:
        """A layer with weights, and what of the steps before can be part of them."""
        padded = isinstance(module, nn.Conv2d) and zeros_around(module)
        fits = isinstance(module, nn.Linear) or made.by_channel
        if not fits or (padded and not made.centred):
            self._source(made)
        name = self.built.name(node)
        layer = QuantFilters(
            name, self._terms(made.layer), self.built.shape(node), self._rounding(), module,
            self.built.layers[made.layer].shape, self._spec(name, node),
        )
        if made.gain is not None and made.offset is not None:
            layer.absorb(made.gain, made.offset)
        layer.window = framed(layer.window, made.frame)
        self.built.add(node, layer)

    def _transposed(self, node: fx.Node, module: nn.ConvTranspose2d, made: Made) -> None:
        source, name = self._source(made), self.built.name(node)
        self.built.add(node, QuantConvTranspose(
            name, self._terms(source), self.built.shape(node), self._rounding(), module,
            self.built.layers[source].shape, self._spec(name, node),
        ))

    def _source(self, made: Made) -> str:
        """The layer that makes just this: what it is now, or one of its own."""
        if made.plain:
            return made.layer
        if not made.by_channel:
            raise NhotError(
                f"Step {made.node.name!r} must work with one constant a channel, "
                "unless a Linear comes right after it"
            )
        name, before = self.built.name(made.node), self.built.layers[made.layer].shape
        layer = QuantAffine(
            name, self._terms(made.layer), self.built.shape(made.node), self._rounding(), before,
            self._spec(name, made.node), *made.factors(before[2]),
        )
        layer.window = framed(layer.window, made.frame)
        self.built.settle(made, layer)
        return name

    def _terms(self, source: str) -> str:
        """The layer to read in place of ``source``: the same in few terms, where that is wanted."""
        if self.activation_terms is None:
            return source
        name, layers = f"{source}/terms", self.built.layers
        if name not in layers:
            rounding = self.built.origin(source).rounding
            layers[name] = QuantRoundTerms(
                name, source, layers[source].shape, rounding, self.activation_terms
            )
        return name

    def _normalise(self, node: fx.Node, norm: Any, made: Made, what: str) -> None:
        """Give batch normalisation to the layer before it; any other is two constants a channel."""
        if norm.running_mean is None:
            raise NhotError(f"{what} must track its running statistics")
        layer = self.built.open_filters(made)
        if layer is not None and layer.norm is None and norm.num_features == layer.shape[2]:
            layer.norm = copy.deepcopy(norm)
            self.built[node] = made
            return
        shape = (-1, *[1] * (self.built.axes(node) - 2))
        gain, offset = (constant.reshape(shape) for constant in gain_and_offset(norm))
        self._affine(node, Affine(gain, offset), made, what)

    def _affine(self, node: fx.Node, affine: Affine, made: Made, what: str) -> None:
        """Give constants to the layer before, or note that they are still to come."""
        if affine.identity:
            self.built[node] = made
            return
        if any(made.frame):
            self._source(made)
        shape = self.built.layers[made.layer].shape
        try:
            after = made.then(node, affine, tuple(self.traced.values[node].shape), shape)
        except ValueError as error:
            raise NhotError(f"{what} must work with {error}") from None
        layer = self.built.open_filters(made)
        if layer is None or not after.by_channel:
            self.built[node] = after
            return
        gain, offset = after.factors(shape[2])
        if layer.norm is None:
            layer.norm = FrozenNorm(gain, offset)
        else:
            scale_norm(layer.norm, gain, offset)
        self.built[node] = made

    def _pad(self, node: fx.Node, module: Any, made: Made, what: str) -> None:
        if not made.centred:
            self._source(made)
        self.built[node] = made.framed(node, frame_of(module, self.built.axes(node), what))

    def _activate(self, node: fx.Node, module: nn.Module, made: Made) -> None:
        source, (low, high) = self._source(made), limits(module)
        layer = self.built.open(made)
        if (
            isinstance(layer, RoundingLayer) and not isinstance(layer, QuantInput)
            and isinstance(layer.activation, nn.Identity) and low <= 0 <= high
        ):
            layer.activation = activation(low, high)
            self.built[node] = made
        else:
            shape = self.built.layers[source].shape
            self.built.add(node, QuantClamp(self.built.name(node), source, shape, (low, high)))

    def _on_grid(self, node: fx.Node, module: OnGrid, made: Made) -> None:
        """Have the layer before round to a grid that is known, or else a layer of its own."""
        origin = self.built.origin(made.layer)
        if made.gain is None and alike(origin.rounding, module.grid):
            self.built[node] = made
            return
        source = self._source(made)
        layer = self.built.open_origin(made)  # limits and rounding pass a max pool by
        if layer is None or isinstance(layer.rounding, GivenGrid):
            name, shape = self.built.name(node), self.built.shape(node)
            # The mean of one element: a requantisation and nothing else.
            layer = QuantAvgPool(name, source, shape, self._rounding(), Window(kernel=(1, 1)))
            self.built.add(node, layer)
        else:
            self.built[node] = made
        round_to(layer, module)

    def _pool(self, node: fx.Node, module: nn.Module, made: Made, what: str) -> None:
        if isinstance(module, Mean):
            check_mean(module, self.built.axes(operands(node)[0]), what)
        if not made.plain and not takes_frame(self.built.layers, module, made):
            self._source(made)
        name, before = self.built.name(node), self.built.layers[made.layer].shape
        self.built.add(node, pooled(
            name, module, made, before, self.built.shape(node), self._rounding(), what
        ))

    def _flatten(self, node: fx.Node, made: Made, what: str) -> None:
        if any(made.frame):
            self._source(made)
        if not self.built.keeps_order(node, made):
            shape = tuple(self.traced.values[node].shape)
            raise NhotError(f"{what} must flatten each sample, not make {shape}")
        self.built[node] = made

    def _unchanged(self, node: fx.Node, made: Made, what: str) -> None:
        source, value = self.traced.values[operands(node)[0]], self.traced.values[node]
        if value.shape != source.shape or value.dtype != source.dtype:
            raise NhotError(
                f"{what} must give what it reads, {tuple(source.shape)} in {source.dtype}, "
                f"not {tuple(value.shape)} in {value.dtype}"
            )
        self.built[node] = made

    def _check_axes(self, module: nn.Module, source: fx.Node, what: str) -> None:
        axes, found = axes_of(module), self.built.axes(source)
        if axes is None or axes == found:
            return
        if isinstance(module, nn.Linear):
            raise NhotError(f"{what} must work on flat samples: put a Flatten before it")
        raise NhotError(f"{what} must work on tensors of {axes} axes, not {found}")

    def _rounding(self) -> ActivationQuant:
        return ActivationQuant(self.bits)

    def _spec(self, name: str, node: fx.Node) -> WeightSpec:
        """How to round weights; a module's format is that of its second call, too."""
        default = self.formats.get(str(node.target), self.spec.format)
        return self.spec.with_format(self.formats.get(name, default))


def _last(node: fx.Node) -> bool:
    return any(user.op == "output" for user in node.users)
