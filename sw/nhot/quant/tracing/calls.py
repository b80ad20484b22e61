"""What functions and methods of torch are as modules."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from nhot.errors import NhotError
from nhot.quant.tracing.graph import Traced, line
from nhot.quant.tracing.steps import Affine, Cat, Mean, Pad, Sum
from nhot.quant.tracing.supported import unsupported

__all__ = ["as_module", "operands"]


class _Operand:
    """Stands for a tensor among the arguments of a call."""


def _add(input: Any, other: Any, *, alpha: float = 1) -> nn.Module:
    if isinstance(input, _Operand) and isinstance(other, _Operand):
        if alpha != 1:
            raise ValueError(f"alpha must be 1 for two tensors, not {alpha}")
        return Sum()
    return Affine(1, alpha * other) if isinstance(input, _Operand) else Affine(alpha, input)


def _sub(input: Any, other: Any, *, alpha: float = 1) -> nn.Module:
    if isinstance(input, _Operand):
        return Affine(1, -alpha * _constant(other))
    return Affine(-alpha, input)


def _mul(input: Any, other: Any) -> nn.Module:
    return Affine(_constant(other) if isinstance(input, _Operand) else input)


def _div(input: Any, other: Any, *, rounding_mode: str | None = None) -> nn.Module:
    if rounding_mode is not None:
        raise ValueError(f"rounding_mode must be None, not {rounding_mode!r}")
    if not isinstance(input, _Operand):
        raise ValueError("a tensor must not be a divisor")
    return Affine(1 / torch.as_tensor(_constant(other), dtype=torch.float64))


def _constant(value: Any) -> Any:
    if isinstance(value, _Operand):
        raise ValueError("one of the two must be a constant")
    return value


def _swapped(function: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    return lambda input, other, **named: function(other, input, **named)


def _range(min: Any = None, max: Any = None) -> nn.Module:
    low = -math.inf if min is None else float(min)
    high = math.inf if max is None else float(max)
    if (low, high) == (0, math.inf):
        return nn.ReLU()
    return nn.Hardtanh(low, high)


def _bound(value: Any) -> Any:
    if value is None:  # it was a tensor of the model
        raise ValueError("one of the two must be a constant")
    return value


def _pad(pad: Iterable[int], mode: str = "constant", value: float | None = None) -> nn.Module:
    if mode != "constant" or value:
        raise ValueError(f"padding must be zeros, not {value if mode == 'constant' else mode}")
    return Pad(tuple(pad))


def _dropout(p: float = 0.5, training: bool = True, inplace: bool = False) -> nn.Module:
    if training and p:
        raise ValueError("it must be off in evaluation: give it training=self.training")
    return nn.Identity()


def _batch_norm(
    mean: Tensor, variance: Tensor, weight: Tensor | None = None, bias: Tensor | None = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> nn.Module:
    if training:
        raise ValueError("it must use its running statistics")
    norm = nn.BatchNorm2d(len(mean), eps)
    norm.running_mean, norm.running_var = mean, variance
    if weight is not None:
        norm.weight = nn.Parameter(weight.detach())
    if bias is not None:
        norm.bias = nn.Parameter(bias.detach())
    return norm


def _filters(kind: type[Any]) -> Callable[..., nn.Module]:
    """A convolution with given parameters; the order of the options is torch's own."""
    transposed = issubclass(kind, nn.modules.conv._ConvTransposeNd)
    names = ("stride", "padding", *(("output_padding", "groups", "dilation") if transposed else (
        "dilation", "groups",
    )))

    def make(weight: Tensor, bias: Tensor | None = None, *options: Any, **named: Any) -> nn.Module:
        chosen = dict(zip(names, options, strict=False)) | named
        groups = chosen.get("groups", 1)
        outer, inner, *kernel = weight.shape
        inputs, outputs = (outer, inner * groups) if transposed else (inner * groups, outer)
        return _with(kind(inputs, outputs, tuple(kernel), device="meta", **chosen), weight, bias)

    return make


def _linear(weight: Tensor, bias: Tensor | None = None) -> nn.Module:
    return _with(nn.Linear(weight.shape[1], weight.shape[0], device="meta"), weight, bias)


def _with(module: Any, weight: Tensor, bias: Tensor | None) -> nn.Module:
    module.weight = nn.Parameter(weight.detach())
    module.bias = None if bias is None else nn.Parameter(bias.detach())
    result: nn.Module = module
    return result


def _upsample(
    size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: Any = None,
    recompute_scale_factor: Any = None, antialias: bool = False,  # means nothing to "nearest"
) -> nn.Module:
    return nn.Upsample(size, scale_factor, mode, align_corners, recompute_scale_factor)


Factory = Callable[..., nn.Module]


def _named(factory: Factory, *targets: Any) -> dict[Any, Factory]:
    """``factory`` for functions, and for methods by their names, also with an underscore."""
    plain = dict.fromkeys(targets, factory)
    return plain | {f"{name}_": factory for name in targets if isinstance(name, str)}


# Tensors come among the arguments, as :class:`_Operand`.
_ARITHMETIC: dict[Any, Factory] = {
    **_named(_add, operator.add, operator.iadd, torch.add, "add", "__radd__"),
    **_named(_sub, operator.sub, operator.isub, torch.sub, torch.subtract, "sub", "subtract"),
    **_named(_swapped(_sub), torch.rsub, "__rsub__", "rsub"),
    **_named(_mul, operator.mul, operator.imul, torch.mul, torch.multiply, "mul", "multiply"),
    **_named(
        _div, operator.truediv, operator.itruediv, torch.div, torch.divide, torch.true_divide,
        "div", "divide", "true_divide",
    ),
    **_named(lambda input: Affine(-1), operator.neg, torch.neg, torch.negative, "neg", "negative"),
}

# Tensors come before the arguments given here.
_CALLS: dict[Any, Factory] = {
    **_named(Cat, torch.cat, torch.concat, torch.concatenate),
    **_named(lambda inplace=False: nn.ReLU(), F.relu, F.relu_, torch.relu, torch.relu_, "relu"),
    F.relu6: lambda inplace=False: nn.ReLU6(),
    **_named(
        lambda min_val=-1.0, max_val=1.0, inplace=False: _range(min_val, max_val),
        F.hardtanh, F.hardtanh_,
    ),
    **_named(_range, torch.clamp, torch.clamp_, torch.clip, torch.clip_, "clamp", "clip"),
    **_named(lambda min: _range(min), torch.clamp_min, torch.clamp_min_, "clamp_min"),
    **_named(lambda max: _range(None, max), torch.clamp_max, torch.clamp_max_, "clamp_max"),
    **_named(lambda other=None: _range(_bound(other)), torch.maximum, "maximum"),
    **_named(lambda other=None: _range(None, _bound(other)), torch.minimum, "minimum"),
    **_named(nn.MaxPool2d, F.max_pool2d, torch.max_pool2d),
    **_named(nn.MaxPool1d, F.max_pool1d, torch.max_pool1d),
    F.avg_pool2d: nn.AvgPool2d, F.avg_pool1d: nn.AvgPool1d,
    F.adaptive_avg_pool2d: nn.AdaptiveAvgPool2d,
    **_named(nn.AdaptiveAvgPool1d, F.adaptive_avg_pool1d),
    F.interpolate: _upsample, torch.mean: Mean, "mean": Mean,
    F.conv2d: _filters(nn.Conv2d), F.conv1d: _filters(nn.Conv1d),
    F.conv_transpose2d: _filters(nn.ConvTranspose2d),
    F.conv_transpose1d: _filters(nn.ConvTranspose1d),
    F.linear: _linear, F.batch_norm: _batch_norm, F.pad: _pad,
    **_named(
        lambda *sizes, **named: nn.Flatten(), torch.flatten, torch.squeeze, torch.unsqueeze,
        torch.reshape, torch.unflatten, "flatten", "squeeze", "unsqueeze", "view", "view_as",
        "reshape", "reshape_as", "unflatten",
    ),
    **_named(
        _dropout, F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout,
        F.feature_alpha_dropout, torch.dropout, torch.dropout_,
    ),
    **_named(
        lambda *options, **named: nn.Identity(), torch.clone, torch.detach, "clone", "contiguous",
        "detach", "float", "to", "type", "cpu", "copy",
    ),
}


def as_module(node: fx.Node, traced: Traced, *, last: bool) -> nn.Module:
    """The module that the function or method of ``node`` is; ``last`` says that none comes after.
    """
    what = f"Operation {node.name!r}"

    def plain(argument: fx.Node) -> Any:
        return traced.values[argument] if argument.op == "get_attr" else _Operand()

    args: tuple[Any, ...]
    args, kwargs = fx.node.map_arg((node.args, node.kwargs), plain)
    factory = _ARITHMETIC.get(node.target)
    if factory is None:
        factory = _CALLS.get(node.target)
        args = tuple(value for value in args if not _is_operand(value))
        kwargs = {name: value for name, value in kwargs.items() if not _is_operand(value)}
    if factory is None:
        name = str(getattr(node.target, "__name__", node.target))
        raise unsupported(what, name, last=last)
    try:
        return factory(*args, **kwargs)
    except (AssertionError, TypeError, ValueError, RuntimeError) as error:
        raise NhotError(f"{what} has unsupported arguments: {line(error)}") from None


def operands(node: fx.Node) -> list[fx.Node]:
    """What ``node`` reads, in order; a tensor that is read twice is there twice."""
    found: list[fx.Node] = []
    fx.node.map_arg((node.args, node.kwargs), found.append)
    return found


def _is_operand(value: Any) -> bool:
    parts = value if isinstance(value, tuple | list) else (value,)
    return any(isinstance(part, _Operand) for part in parts)
