"""The windows of torch's convolutions and pools."""

from __future__ import annotations

from typing import Any

from torch import nn

from nhot.errors import NhotError
from nhot.network import Window
from nhot.network.tensor import Shape
from nhot.quant.calls import Mean

__all__ = ["conv_window", "pool_window"]


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


def pool_window(module: nn.Module, before: Shape, what: str) -> Window:
    """The window of a pool over an input of shape ``before``."""
    height, width, _ = before
    match module:
        case Mean():
            dims = module.dim if isinstance(module.dim, tuple | list) else (module.dim,)
            if None in dims or sorted(d % 4 for d in dims) != [2, 3]:
                raise NhotError(f"{what} must be over height and width (2, 3), not {module.dim}")
            return Window(kernel=(height, width))
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
        case nn.MaxPool2d():
            y, x = _pair(module.padding)
            dilation = _pair(module.dilation)
        case _:
            raise TypeError(f"Pool must be one of torch's, not {module!r}")
    stride = module.kernel_size if module.stride is None else module.stride
    return Window(
        kernel=_pair(module.kernel_size), stride=_pair(stride), padding=(y, x, y, x),
        dilation=dilation,
    )


def _pair(value: Any) -> tuple[Any, Any]:
    return (value[0], value[1]) if isinstance(value, tuple | list) else (value, value)
