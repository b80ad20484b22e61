"""The float reference models of MLPerf Tiny as torch modules."""

from __future__ import annotations

import os
from functools import reduce
from operator import add

import torch
from torch import Tensor, nn

from nhot.errors import NhotError
from nhot.quant.tracing.graph import line
from nhot_hw.bench.networks.tflite_file import Graph, Step, read_graph

__all__ = ["ReferenceModel", "load_reference"]


def load_reference(path: str | os.PathLike[str]) -> ReferenceModel:
    """The model of a .tflite file. (batch, channels, height, width) or (batch, features) in,
    (batch, outputs) out.

    A softmax at the end is left out: it changes no order, and training and engines do without.

    Raises :class:`NhotError` as :func:`nhot_hw.bench.networks.tflite_file.read_graph` does.
    """
    graph = read_graph(path)
    try:
        return ReferenceModel(graph).eval()
    except NhotError as error:
        raise NhotError(f"Model {str(path)!r} {error}") from None
    except (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError) as error:
        raise NhotError(
            f"Model {str(path)!r} must have weights that fit its layers, but: {line(error)}"
        ) from None


class ReferenceModel(nn.Module):
    """The steps of a graph, one module each, in their order.

    Attributes
    ----------
    input_shape : (channels, height, width)
        Of a sample; (features, 1, 1) of a vector.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        steps = [step for step in graph.steps if step.output != graph.result]
        last = graph.steps[-1]
        self._result = graph.result
        if last.operator == "SOFTMAX":
            self._result = last.inputs[0]
        else:
            steps.append(last)
        self._source = graph.source
        self._steps = []
        for index, step in enumerate(steps):
            name = f"{step.operator.lower()}_{index}"
            self.add_module(name, _module(step))
            self._steps.append((name, step.inputs, step.output))
        *size, channels = graph.shape[1:]
        self.input_shape = (channels, *(size or (1, 1)))

    def forward(self, x: Tensor) -> Tensor:
        values = {self._source: x}
        for name, inputs, output in self._steps:
            # Only ADD has two inputs, and nothing else to do.
            total = reduce(add, [values[tensor] for tensor in inputs])
            values[output] = self.get_submodule(name)(total)
        return values[self._result]


def _module(step: Step) -> nn.Module:
    """The module of a step, with what comes before and after it."""
    match step.operator:
        case "CONV_2D" | "DEPTHWISE_CONV_2D":
            layers = _convolution(step)
        case "FULLY_CONNECTED":
            layers = [nn.Flatten(), _with_weights(nn.Linear(*step.weights[0].shape[::-1]), step)]
        case "ADD":
            layers = []
        case "AVERAGE_POOL_2D":
            if step.same and any(_around(step, axis, step.window) != (0, 0) for axis in (0, 1)):
                raise NhotError("must have average pools that count no zeros around them")
            layers = [nn.AvgPool2d(step.window, step.stride)]
        case "RESHAPE":
            if step.shape[1:3] not in ((1, 1), step.shape[1:]):
                raise NhotError(f"must have RESHAPE of one position, not of {step.shape}")
            layers = [nn.Flatten()]
        case _:
            raise NhotError(f"must have {step.operator} as its last operator alone")
    return nn.Sequential(*layers, *[nn.ReLU()] * step.relu)


def _convolution(step: Step) -> list[nn.Module]:
    depthwise = step.operator == "DEPTHWISE_CONV_2D"
    weights = step.weights[0].transpose(3, 1, 2, 0) if depthwise else step.weights[0]
    filters, height, width, channels = weights.shape
    vertical = _around(step, 0, (height, width)) if step.same else (0, 0)
    horizontal = _around(step, 1, (height, width)) if step.same else (0, 0)
    even = vertical[0] == vertical[1] and horizontal[0] == horizontal[1]
    layer = nn.Conv2d(
        step.shape[3], filters, (height, width), step.stride,
        padding=(vertical[0], horizontal[0]) if even else 0,
        groups=step.shape[3] // channels,
    )
    before = [] if even else [nn.ZeroPad2d((*horizontal, *vertical))]
    return [*before, _with_weights(layer, step, weights.transpose(0, 3, 1, 2))]


def _around(step: Step, axis: int, window: tuple[int, int]) -> tuple[int, int]:
    """Zeros before and behind the input on one axis that make ceil(size / stride) outputs."""
    size, stride = step.shape[1 + axis], step.stride[axis]
    missing = max((-(-size // stride) - 1) * stride + window[axis] - size, 0)
    return missing // 2, missing - missing // 2


def _with_weights(layer: nn.Conv2d | nn.Linear, step: Step, weights=None) -> nn.Module:
    values = step.weights[0] if weights is None else weights
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(values.copy()))
        layer.bias.copy_(torch.tensor(step.weights[1].copy()))
    return layer
