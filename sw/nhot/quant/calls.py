"""What functions and methods of torch are as modules."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from nhot.errors import NhotError
from nhot.quant.graph import line
from nhot.quant.supported import unsupported

__all__ = ["Cat", "Mean", "Sum", "as_module", "operands"]


class Sum(nn.Module):
    """Stands for ``a + b``; whether both are tensors is seen from the graph."""

    def __init__(self, *constants: Any):
        super().__init__()


class Cat(nn.Module):
    """Stands for tensors joined along an axis."""

    def __init__(self, dim: int = 0):
        super().__init__()
        self.dim = dim


class Mean(nn.Module):
    """Stands for a mean over height and width."""

    def __init__(self, dim: Any = None, keepdim: bool = False):
        super().__init__()
        self.dim = dim
        self.keepdim = keepdim


def _upsample(
    size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: Any = None,
    recompute_scale_factor: Any = None, antialias: bool = False,  # means nothing to "nearest"
) -> nn.Module:
    return nn.Upsample(size, scale_factor, mode, align_corners, recompute_scale_factor)


Factory = Callable[..., nn.Module]

# The tensors come before the arguments given here.
_CALLS: dict[Any, Factory] = {
    **dict.fromkeys((operator.add, operator.iadd, torch.add, "add", "add_"), Sum),
    **dict.fromkeys((torch.cat, torch.concat, torch.concatenate), Cat),
    F.relu: lambda inplace=False: nn.ReLU(),
    **dict.fromkeys((torch.relu, torch.relu_, "relu", "relu_"), lambda: nn.ReLU()),
    F.relu6: lambda inplace=False: nn.ReLU6(),
    F.max_pool2d: nn.MaxPool2d, F.avg_pool2d: nn.AvgPool2d,
    F.adaptive_avg_pool2d: nn.AdaptiveAvgPool2d, F.interpolate: _upsample,
    torch.mean: Mean, "mean": Mean,
    **dict.fromkeys(
        (torch.flatten, torch.squeeze, torch.reshape, "flatten", "squeeze", "view", "reshape"),
        lambda *sizes, **named: nn.Flatten(),
    ),
    **dict.fromkeys(
        (F.dropout, F.dropout2d, torch.clone, "clone", "contiguous"),
        lambda *options, **named: nn.Identity(),
    ),
}


def as_module(node: fx.Node, tensors: list[fx.Node]) -> nn.Module:
    """The module that the function or method of ``node`` is; ``tensors`` are not its options."""

    def option(value: Any) -> bool:
        parts = value if isinstance(value, tuple | list) else (value,)
        return not any(isinstance(part, fx.Node) and part in tensors for part in parts)

    what = f"Operation {node.name!r}"
    factory = _CALLS.get(node.target)
    if factory is None:
        raise unsupported(what, str(getattr(node.target, "__name__", node.target)))
    options = [value for value in node.args if option(value)]
    named = {key: value for key, value in node.kwargs.items() if option(value)}
    try:
        return factory(*options, **named)
    except (TypeError, ValueError) as error:
        raise NhotError(f"{what} has unsupported arguments: {line(error)}") from None


def operands(node: fx.Node) -> list[fx.Node]:
    """What ``node`` reads, in order; a tensor that is read twice is there twice."""
    found: list[fx.Node] = []
    fx.node.map_arg((node.args, node.kwargs), found.append)
    return found
