"""A graph as a torch module, from which it is quantised as any other."""

from __future__ import annotations

import io
import os
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.nn import functional as F

from nhot.frontends.dispatch import read_graph
from nhot.frontends.exported.program import read_exported
from nhot.frontends.graph import INPUT, Graph
from nhot.frontends.graph_steps import (
    Add,
    Affine,
    AvgPool,
    BatchNorm,
    Clamp,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Filters,
    MaxPool,
    Operator,
    Pad,
    Quantize,
    Upsample,
)
from nhot.network.window import Window
from nhot.quant.model import as_maps
from nhot.quant.tracing.steps import Affine as AffineStep
from nhot.quant.tracing.steps import Cat, Largest, OnGrid, Sum
from nhot.quant.tracing.steps import Pad as PadStep

__all__ = ["GraphModule", "import_model"]

STAND_INS = 8


def import_model(model: str | os.PathLike[str] | ExportedProgram) -> GraphModule:
    """The model in a file of another tool as a torch module, to be quantised as any other.

    Or one that ``torch.export.export`` made: of a module whose own Python cannot be traced, with
    branches and loops over its sizes.

    It takes and gives tensors in torch's order, (batch, channels, height, width). Where the file is
    quantised, its grids and the scales of its weights go with it: :func:`nhot.quantize` keeps them,
    and needs no samples.

    Raises :class:`NhotError` as :func:`nhot.frontends.read_graph` does.
    """
    if isinstance(model, ExportedProgram):
        return GraphModule(read_exported(_saved(model)))
    return GraphModule(read_graph(model))


def _saved(program: ExportedProgram) -> bytes:
    """The file of a program."""
    content = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):  # of what torch itself has made old
        torch.export.save(program, content)
    return content.getvalue()


class GraphModule(nn.Module):
    """The steps of ``graph``, modules by the same names, in their order.

    (batch, channels, height, width) in, or (batch, features) where the input is a vector; the same
    of the output. Samples of any other shape are refused, not taken in another order.
    """

    def __init__(self, graph: Graph):
        super().__init__()
        self.graph = graph
        self._keys: dict[str, str] = {}
        for operator in graph.operators:
            # A name may be one that modules have themselves.
            key = f"{operator.name}_" if hasattr(self, operator.name) else operator.name
            self._keys[operator.name] = key
            self.add_module(key, _module(operator))
        self.eval()

    def stand_in(self) -> Tensor | None:
        """Random samples all over the input's range, where the file says one."""
        grid = self.graph.input_grid
        if grid is None:
            return None
        height, width, channels = self.graph.input
        random = np.random.default_rng(0).integers(
            grid.low, grid.high + 1, (STAND_INS, channels, height, width)
        )
        return torch.tensor((random - grid.zero_point) * grid.scale, dtype=torch.float32)

    def forward(self, x: Tensor) -> Tensor:
        values = {INPUT: as_maps(x, self.graph.input)}
        for operator in self.graph.operators:
            step = self._modules[self._keys[operator.name]]
            assert step is not None
            inputs = [values[name] for name in operator.inputs]
            values[operator.name] = _run(step, operator, inputs)
        made = values[self.graph.output]
        vector = self.graph.shapes[self.graph.output][:2] == (1, 1)
        return made.flatten(1) if vector else made


def _run(step: nn.Module, operator: Operator, inputs: list[Tensor]) -> Tensor:
    """What ``step`` makes of maps, with what goes before and after it."""
    (x, *_) = inputs
    match operator:
        case Conv() if not _even(operator.window):
            return _called(step, F.pad(x, _sides(operator.window.padding)))
        case AvgPool() if any(operator.window.padding):
            return _called(step, F.pad(x, _sides(operator.window.padding)))
        case Dense():
            return _called(step, x.flatten(1)).reshape(len(x), -1, 1, 1)
        case _:
            return _called(step, *inputs)


def _called(step: nn.Module, *inputs: Tensor) -> Tensor:
    result: Tensor = step(*inputs)
    return result


def _module(operator: Operator) -> nn.Module:
    """The module of a step."""
    match operator:
        case Filters():
            return _filters(operator)
        case BatchNorm():
            return _normalisation(operator)
        case Affine():
            return AffineStep(torch.tensor(operator.gain), torch.tensor(operator.offset))
        case MaxPool():
            return Largest(operator.window)
        case AvgPool():
            return nn.AvgPool2d(operator.window.kernel, operator.window.stride)
        case Clamp(low=low, high=high):
            return nn.ReLU() if (low, high) == (0, np.inf) else nn.Hardtanh(low, high)
        case Pad():
            return PadStep(_sides(operator.sides))
        case Upsample():
            return nn.Upsample(scale_factor=tuple(map(float, operator.factors)))
        case Add():
            return Sum()
        case Concat():
            return Cat(1)
        case Quantize():
            return OnGrid(operator.grid)
        case _:
            raise TypeError(f"Operator must be one of a graph, not {operator!r}")


def _filters(operator: Filters) -> nn.Module:
    weights, module = operator.weights, _empty(operator)
    if isinstance(operator, ConvTranspose):  # torch has the inputs of each group first
        groups, (filters, inputs, *kernel) = operator.groups, weights.shape
        split = weights.reshape(groups, filters // groups, inputs, *kernel)
        weights = split.swapaxes(1, 2).reshape(groups * inputs, filters // groups, *kernel)
    elif isinstance(operator, Dense):
        weights = weights.reshape(len(weights), -1)
    module.weight = nn.Parameter(torch.tensor(np.ascontiguousarray(weights)))
    module.bias = nn.Parameter(torch.tensor(operator.bias))
    if operator.scale is not None:
        module.register_buffer("weight_scale", torch.tensor(operator.scale))
    result: nn.Module = module
    return result


def _empty(operator: Filters) -> Any:
    """The module without its weights; nothing is drawn for it."""
    outputs, inputs = operator.weights.shape[:2]
    match operator:
        case Conv(window=window, groups=groups):
            padding = window.padding[:2] if _even(window) else (0, 0)
            return nn.Conv2d(
                inputs * groups, outputs, window.kernel, window.stride, padding, window.dilation,
                groups, device="meta",
            )
        case ConvTranspose(window=window, groups=groups, extra=extra):
            top, left, bottom, right = window.padding
            return nn.ConvTranspose2d(
                inputs * groups, outputs, window.kernel, window.stride, (top, left),
                (extra[0] + top - bottom, extra[1] + left - right), groups,
                dilation=window.dilation, device="meta",
            )
        case _:
            return nn.Linear(operator.weights[0].size, outputs, device="meta")


def _normalisation(operator: BatchNorm) -> nn.Module:
    module = nn.BatchNorm2d(len(operator.gain), eps=operator.epsilon)
    with torch.no_grad():
        module.weight.copy_(torch.tensor(operator.gain))
        module.bias.copy_(torch.tensor(operator.offset))
        assert module.running_mean is not None
        assert module.running_var is not None
        module.running_mean.copy_(torch.tensor(operator.mean))
        module.running_var.copy_(torch.tensor(operator.variance))
    return module


def _even(window: Window) -> bool:
    top, left, bottom, right = window.padding
    return (top, left) == (bottom, right)


def _sides(padding: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """In torch's order."""
    top, left, bottom, right = padding
    return left, right, top, bottom
