"""Windows of convolutions and pools as ONNX writes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nhot.errors import NhotError
from nhot.frontends.conventions import same_window
from nhot.frontends.onnx.protobuf import NodeInfo
from nhot.network.tensor import Shape
from nhot.network.window import Window

__all__ = ["pool_window", "whole", "window_of"]


def window_of(node: NodeInfo, size: tuple[int, int], kernel: tuple[int, ...]) -> Window:
    """The window of ``node`` over a map of ``size``."""
    attributes = node.attributes
    given = attributes.get("kernel_shape")
    if given and tuple(_pair(given, 1)) != tuple(_pair(list(kernel), 1)):
        raise NhotError(f"kernel must be that of the weights {tuple(kernel)}, not {tuple(given)}")
    rows, columns = _pair(list(kernel), 1)
    stride, dilation = (
        _pair(attributes.get(name) or [1, 1], 1) for name in ("strides", "dilations")
    )
    window = Window(kernel=(rows, columns), stride=stride, dilation=dilation)  # or refused
    match attributes.get("auto_pad", "NOTSET"):
        case "SAME_UPPER" | "SAME_LOWER" as way:
            return same_window(size, window.kernel, window.stride, window.dilation,
                               more_before=way == "SAME_LOWER")
        case "VALID":
            return window
        case "NOTSET":
            pads = attributes.get("pads") or [0] * 4
            if len(pads) not in {2, 4}:
                raise NhotError(f"it must pad one or two axes, not {pads}")
            before, after = pads[: len(pads) // 2], pads[len(pads) // 2 :]
            (top, left), (bottom, right) = _pair(before, 0), _pair(after, 0)
            return replace(window, padding=(top, left, bottom, right))
        case other:
            raise NhotError(f"padding must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, "
                            f"not {str(other)[:20]!r}")


def pool_window(node: NodeInfo, size: tuple[int, int], *, largest: bool) -> Window:
    """The same of a pool; the last windows of ``ceil_mode`` hang over the end."""
    attributes = node.attributes
    kernel = attributes.get("kernel_shape") or []
    if len(kernel) not in {1, 2}:
        raise NhotError(f"kernel must have one or two sizes, not {kernel}")
    window = window_of(node, size, tuple(kernel))
    if attributes.get("ceil_mode", 0):
        window = _over_the_end(window, size, largest)
    if largest:
        return window
    if any(window.padding) and not attributes.get("count_include_pad", 0):
        raise NhotError("its windows must lie within the map, or padding be counted "
                        "(count_include_pad): what is not counted has no equal here")
    if window.dilation != (1, 1):
        raise NhotError(f"its windows must have no dilation, not {window.dilation}")
    return window


def whole(shape: Shape) -> Window:
    """The window that sees all of a map."""
    return Window(kernel=shape[:2])


def _over_the_end(window: Window, size: tuple[int, int], largest: bool) -> Window:
    top, left, bottom, right = window.padding
    more = []
    for axis, (before, after) in enumerate(((top, bottom), (left, right))):
        rest = (size[axis] + before + after - window.span[axis]) % window.stride[axis]
        outputs = -(-(size[axis] + before + after - window.span[axis]) // window.stride[axis])
        begins = outputs * window.stride[axis] < size[axis] + before
        more.append(window.stride[axis] - rest if rest and begins else 0)
    if any(more) and not largest:
        raise NhotError("its windows must lie within the map: those that hang over the end "
                        "(ceil_mode) have no equal here")
    return replace(window, padding=(top, left, bottom + more[0], right + more[1]))


def _pair(sizes: list[Any], missing: int) -> tuple[int, int]:
    """Two sizes, of which the first is ``missing`` where there is one axis."""
    if len(sizes) not in {1, 2}:
        raise NhotError(f"its window must have one or two axes, not {sizes}")
    one, other = [missing, *sizes][-2:]
    return one, other
