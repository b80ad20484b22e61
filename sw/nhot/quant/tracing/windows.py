"""The windows of torch's convolutions and pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from nhot.errors import NhotError
from nhot.network import Window
from nhot.network.tensor import Shape
from nhot.quant.tracing.made import Frame
from nhot.quant.tracing.steps import Largest, Mean

__all__ = [
    "around", "check_mean", "conv_window", "frame_of", "framed", "pool_window", "stretched",
    "zeros_around",
]


def conv_window(name: str, conv: nn.Conv2d) -> Window:
    """The window of a convolution; padding that is not zeros is refused."""
    if conv.padding_mode != "zeros":
        raise NhotError(f"Padding of {name!r} must be with zeros, not {conv.padding_mode!r}")
    kernel, dilation = conv.kernel_size, conv.dilation
    if isinstance(conv.padding, str):
        same = conv.padding == "same"
        total = [d * (k - 1) * same for d, k in zip(dilation, kernel, strict=True)]
        top, left = (size // 2 for size in total)
        bottom, right = total[0] - top, total[1] - left
    else:
        top, left = bottom, right = conv.padding[0], conv.padding[1]
    return Window(
        kernel=(kernel[0], kernel[1]), stride=(conv.stride[0], conv.stride[1]),
        padding=(top, left, bottom, right), dilation=(dilation[0], dilation[1]),
    )


def zeros_around(conv: nn.Conv2d) -> bool:
    """Whether a convolution pads."""
    return any(conv_window("convolution", conv).padding) if conv.padding_mode == "zeros" else False


def check_mean(mean: Mean, axes: int, what: str) -> None:
    """Refuse a mean of a tensor of so many ``axes`` that is not over all but batch and channels."""
    dims = mean.dim if isinstance(mean.dim, Sequence) else (mean.dim,)
    if None in dims or sorted(dim % axes for dim in dims) != list(range(2, axes)) or axes == 2:
        raise NhotError(f"{what} must be over height and width (2, 3), not {mean.dim}")


def pool_window(module: nn.Module, before: Shape, what: str) -> Window:
    """The window of a pool over an input of shape ``before``."""
    height, width, _ = before
    match module:
        case Mean():
            return Window(kernel=(height, width))
        case Largest():
            return module.window
        case nn.AdaptiveAvgPool2d():
            sizes = _pair(module.output_size)
            counts = [size or whole for size, whole in zip(sizes, (height, width), strict=True)]
            if height % counts[0] or width % counts[1]:
                raise NhotError(f"{what} must divide its input {height} x {width}, not {sizes}")
            kernel = (height // counts[0], width // counts[1])
            return Window(kernel=kernel, stride=kernel)
        case nn.AvgPool2d():
            y, x = _pair(module.padding)
            if (y or x) and not module.count_include_pad:
                raise NhotError(f"{what} must count its padding (count_include_pad)")
            if module.divisor_override is not None:
                raise NhotError(f"{what} must not override the divisor")
            dilation = (1, 1)
        case _:
            assert isinstance(module, nn.MaxPool2d)
            y, x = _pair(module.padding)
            dilation = _pair(module.dilation)
    stride = module.kernel_size if module.stride is None else module.stride
    return Window(
        kernel=_pair(module.kernel_size), stride=_pair(stride), padding=(y, x, y, x),
        dilation=dilation,
    )


def frame_of(pad: Any, axes: int, what: str) -> Frame:
    """The zeros that a padding puts around a tensor of so many ``axes``."""
    value, sides = getattr(pad, "value", 0), tuple(getattr(pad, "sides", None) or pad.padding)
    if value:
        raise NhotError(f"{what} must pad with zeros, not {value}")
    spatial = 2 * (axes - 2)
    if any(sides[spatial:]) or min(sides, default=0) < 0:
        raise NhotError(f"{what} must pad height and width, and cut nothing off, not {sides}")
    left, right, top, bottom = (*sides[:spatial], 0, 0, 0, 0)[:4]
    return top, left, bottom, right


def framed(window: Window, frame: Frame) -> Window:
    """``window`` over an input in a frame of zeros."""
    top, left, bottom, right = (a + b for a, b in zip(window.padding, frame, strict=True))
    return replace(window, padding=(top, left, bottom, right))


def around(shape: Shape, frame: Frame) -> Shape:
    """The shape of a map with its frame."""
    top, left, bottom, right = frame
    return shape[0] + top + bottom, shape[1] + left + right, shape[2]


def stretched(window: Window, before: Shape, after: Shape) -> Window:
    """``window`` with as much more padding at the bottom and the right as an output needs."""
    top, left, bottom, right = window.padding
    missing = [
        (count - 1) * stride + span - size for count, stride, span, size in zip(
            after, window.stride, window.span, around(before, window.padding), strict=False
        )
    ]
    bottom, right = bottom + max(0, missing[0]), right + max(0, missing[1])
    return replace(window, padding=(top, left, bottom, right))


def _pair(value: Any) -> tuple[Any, Any]:
    return (value[0], value[1]) if isinstance(value, tuple | list) else (value, value)
