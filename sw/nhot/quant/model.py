"""A quantised model: a list of layers, trained in float and evaluated in integers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from nhot.errors import NhotError
from nhot.experiments.data.dataset import check_samples
from nhot.formats import Format
from nhot.network import Network
from nhot.network.requant import MAX_TERMS
from nhot.network.tensor import Shape
from nhot.quant.activations import ActivationQuant
from nhot.quant.layers import Grid, QuantFilters, QuantLayer, RoundingLayer
from nhot.quant.units import origins, share_units

__all__ = ["QuantModel", "as_maps", "as_samples", "batches", "to_network"]

BATCH = 256
MIDDLE = 0.5
"""Part of a training from random weights after which multipliers are chosen."""


class QuantModel(nn.Module):
    """Layers in the order they run, the input first; :func:`nhot.quant.quantize` builds it.

    In training mode the forward pass is float, with weights and activations rounded and gradients
    straight through. In evaluation mode it is the integer network's own arithmetic, and the result
    is what its integers stand for: :func:`to_network` gives a network that computes the same.

    Parameters
    ----------
    layers : iterable of QuantLayer
    output : str
        Name of the layer whose values the model gives.
    axes : int
        How many they have: 4 (batch, channels, height, width), 3 (batch, channels, length) or
        2 (batch, features).
    accumulator_bits : int, optional
        Width that no sum of a filter may overflow.
    requant_terms : int
        Most signed powers of two of a multiplier.
    real : bool
        Whether activations are not rounded, in evaluation either: only weights are, as work on
        weights alone has it. The integers are still those of :func:`to_network`.
    """

    full_precision = True
    """Training in bfloat16 would move what is rounded, and is refused."""

    def __init__(
        self, layers: Iterable[QuantLayer], output: str, *, axes: int = 4,
        accumulator_bits: int | None = None, requant_terms: int = MAX_TERMS,
        real: bool = False,
    ):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.output = output
        self.axes = axes
        self.accumulator_bits = accumulator_bits
        self.requant_terms = requant_terms
        self.real = real
        for module in self._roundings():
            module.real = real
        self._calibrating = False
        self._limit_accumulators()
        if requant_terms < MAX_TERMS:
            self._shorten()

    def __iter__(self) -> Iterator[QuantLayer]:
        for layer in self.layers:
            assert isinstance(layer, QuantLayer)
            yield layer

    @property
    def input(self) -> QuantLayer:
        """The layer that rounds the input."""
        return next(iter(self))

    @property
    def filters(self) -> list[QuantFilters]:
        """The layers with weights."""
        return [layer for layer in self if isinstance(layer, QuantFilters)]

    @property
    def formats(self) -> dict[str, Format]:
        """The formats of the weights by layer name."""
        return {layer.name: layer.format for layer in self.filters}

    def set_format(self, format: Format | Mapping[str, Format]) -> None:
        """Round the present weights to another format, or some layers' to others by name.

        Scales are searched anew.
        """
        chosen = format if isinstance(format, Mapping) else dict.fromkeys(self.formats, format)
        self.check_names(chosen)
        for layer in self.filters:
            if layer.name in chosen:
                layer.set_spec(layer.spec.with_format(chosen[layer.name]))
        self._limit_accumulators()
        self.choose_scales()

    def choose_scales(self) -> None:
        """Choose the scales of weights for the present ranges, where multipliers are to be short.

        To be called when ranges have changed, other than by training.
        """
        for layer in self.filters:
            layer.choose_scales()

    def release_scales(self) -> None:
        """Let scales be trained freely for the first half, as suits weights that are random."""
        for layer in self.filters:
            if layer.short is not None:
                layer.short.release()

    def check_names(self, names: Iterable[str]) -> None:
        """Refuse names that no layer with weights has."""
        for name in names:
            if name not in self.formats:
                raise NhotError(f"Layer must be one of {', '.join(self.formats)}, not {name!r}")

    def set_progress(self, part: float) -> None:
        """Say how much of the training is done, 0 to 1.

        Schedules of the gradient follow it, and scales that are not chosen yet are in the middle.
        """
        for layer in self.filters:
            layer.weights.progress = part
            if part >= MIDDLE and layer.short is not None and not layer.short.chosen:
                layer.choose_scales()

    def _shorten(self) -> None:
        share_units(self)
        roundings = origins(self)
        for layer in self.filters:
            (source,) = layer.sources
            layer.shorten(self.requant_terms, roundings[source])

    def _limit_accumulators(self) -> None:
        if self.accumulator_bits is None:
            return
        bits: dict[str, int] = {}
        for layer in self:
            bits[layer.name] = (
                layer.rounding.bits if isinstance(layer, RoundingLayer) else bits[layer.sources[0]]
            )
            if not isinstance(layer, QuantFilters):
                continue
            (source,) = layer.sources
            try:
                layer.weights.limit_accumulator(self.accumulator_bits, bits[source], layer.weight)
            except NhotError as error:
                raise NhotError(f"Layer {layer.name!r}: {error}") from None

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) or (batch, features) float -> the model's output."""
        if self.training or self._calibrating or self.real:
            result = self.floats(x)[self.output]
        else:
            grid = self.grids()[self.output]
            integers = self.integers(x)[self.output]
            result = (integers - grid.zero_point).double().mul(grid.scale).float()
        return result if self.axes == 4 else result.flatten(self.axes - 1)

    @torch.no_grad()
    def integers(self, x: Tensor) -> dict[str, Tensor]:
        """The integers of every layer by name, (batch, channels, height, width) int64, exact.

        They are computed on the processor, wherever the model is.
        """
        x = x.cpu()
        grids = self.grids()
        values = {self.input.name: self.input.integers([self._shaped(x)], (), grids["input"])}
        for layer in list(self)[1:]:
            sources = tuple(grids[name] for name in layer.sources)
            operands = [values[name] for name in layer.sources]
            values[layer.name] = layer.integers(operands, sources, grids[layer.name])
        return values

    def grids(self) -> dict[str, Grid]:
        """The integer tensor of every layer by name; one that was never non-zero is refused."""
        grids: dict[str, Grid] = {}
        for layer in self:
            grids[layer.name] = layer.grid(*(grids[name] for name in layer.sources))
        return grids

    def calibrate(self, samples: ArrayLike | Tensor) -> None:
        """Set the range of every activation to what it is on ``samples``, weights rounded."""
        for module in self._roundings():
            module.reset()
        with self._calibration():
            for (batch,) in batches(as_samples(samples)):
                self(batch)
        self.choose_scales()
        self.grids()

    def floats(self, x: Tensor) -> dict[str, Tensor]:
        """The values of every layer by name, (batch, channels, height, width), as in training."""
        values: dict[str, Tensor] = {self.input.name: self.input(self._shaped(x))}
        for layer in list(self)[1:]:
            values[layer.name] = layer(*(values[name] for name in layer.sources))
        return values

    def _shaped(self, x: Tensor) -> Tensor:
        return as_maps(x, self.input.shape, "Input must have shape (batch")

    def _roundings(self) -> list[ActivationQuant]:
        return [module for module in self.modules() if isinstance(module, ActivationQuant)]

    @contextmanager
    def _calibration(self) -> Iterator[None]:
        training = self.training
        self.eval()
        self._calibrating = True
        for module in self._roundings():
            module.calibrating = True
        try:
            with torch.no_grad():
                yield
        finally:
            self._calibrating = False
            for module in self._roundings():
                module.calibrating = False
            self.train(training)


def to_network(model: QuantModel, name: str) -> Network:
    """The integer network that computes exactly what ``model`` does in evaluation mode.

    Its tensors are (height, width, channels) where the model's are channels first; dense weights
    are reordered accordingly. Layer names are the modules' own.
    """
    grids = model.grids()
    nodes = tuple(
        layer.node(tuple(grids[source] for source in layer.sources), grids[layer.name])
        for layer in list(model)[1:]
    )
    return Network(name=name, input=grids[model.input.name], nodes=nodes, output_name=model.output)


def as_samples(samples: ArrayLike | Tensor) -> Tensor:
    """Samples as a float tensor; none, or one that is not finite, is refused."""
    tensor = torch.as_tensor(samples if isinstance(samples, Tensor) else np.asarray(samples))
    if tensor.dim() not in {2, 3, 4} or not len(tensor):
        raise NhotError(
            "Samples must have shape (samples, channels, height, width), "
            "(samples, channels, length) or (samples, features), "
            f"not {tuple(tensor.shape)}"
        )
    if not bool(torch.isfinite(tensor).all()):
        raise NhotError("Samples must be finite numbers, not NaN or infinite")
    return tensor.float()


def as_maps(x: Tensor, shape: Shape, what: str = "Samples must have shape (samples") -> Tensor:
    """Samples as (samples, channels, height, width), which must be of ``shape``.

    ``what`` begins the error.
    """
    height, width, channels = shape
    check_samples(tuple(x.shape), shape, what)
    return x.reshape(-1, channels, height, width)


def batches(*tensors: Tensor, size: int = BATCH) -> Iterator[tuple[Tensor, ...]]:
    """Slices of all tensors together, in order."""
    for start in range(0, len(tensors[0]), size):
        yield tuple(tensor[start : start + size] for tensor in tensors)
