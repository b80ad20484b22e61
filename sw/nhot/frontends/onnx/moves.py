"""Operators of ONNX that compute nothing: they move elements, join, repeat and surround them."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from nhot.errors import NhotError
from nhot.frontends.graph_steps import Concat, Pad, Upsample
from nhot.frontends.onnx.constants import integers, reshaped
from nhot.frontends.onnx.layout import TO_FIRST, TO_LAST, lies_as, rows_of
from nhot.frontends.onnx.protobuf import NodeInfo
from nhot.frontends.onnx.read import Reader
from nhot.network.window import LARGEST
from nhot.printable import shortened

__all__ = ["MOVES"]


def _pad(reader: Reader, node: NodeInfo) -> None:
    (source, last), dims = reader.any_map(node), reader.dims[node.inputs[0]]
    attributes = node.attributes
    sides = attributes.get("pads") or integers(reader.constant(node, 1))
    value = attributes.get("value", 0.0)
    if len(node.inputs) > 2 and node.inputs[2]:
        given = reader.constant(node, 2).reals().reshape(-1)
        value = next((float(one) for one in given if one), 0.0)
    axes = list(range(len(dims) + 1))
    if len(node.inputs) > 3 and node.inputs[3]:
        axes = [axis % len(axes) for axis in integers(reader.constant(node, 3))]
    if len(sides) != 2 * len(axes):
        raise NhotError(f"it must have two numbers for each of {len(axes)} axes, not {sides}")
    ends = {axis: (sides[place], sides[place + len(axes)]) for place, axis in enumerate(axes)}
    mode, rows = attributes.get("mode", "constant"), rows_of(len(dims), last=last)
    if any(any(two) for axis, two in ends.items() if axis not in rows) or value or (
        mode != "constant"
    ):
        raise NhotError(f"it must pad height and width alone, with zeros, not {sides} with "
                        f"{value:g} ({shortened(mode)})")
    (top, bottom), (left, right) = [
        (0, 0), (0, 0), *(ends.get(axis, (0, 0)) for axis in rows)][-2:]
    reader.finish(node, reader.add(node, Pad, source, sides=(top, left, bottom, right)))


def _concat(reader: Reader, node: NodeInfo) -> None:
    maps = [reader.any_map(node, place) for place in range(len(node.inputs))]
    sources, (last, *others) = [source for source, _ in maps], (last for _, last in maps)
    if any(other != last for other in others):
        raise NhotError("its inputs must all lie channels first, or all last")
    axis, axes = node.attributes.get("axis", 1), len(reader.dims[node.inputs[0]]) + 1
    channels = axes - 1 if last else 1
    if axis % axes != channels:
        raise NhotError(f"it must join channels (axis {channels}), not along axis {axis}")
    reader.finish(node, reader.add(node, Concat, *sources))


def _upsample(reader: Reader, node: NodeInfo) -> None:
    source, dims = reader.map(node), reader.dims[node.inputs[0]]
    before = (1, *dims)
    given = [reader.constants[name].values.reshape(-1).tolist() for name in node.inputs[1:]
             if name in reader.constants and reader.constants[name].values.size == len(before)]
    scales = node.attributes.get("scales") or (given[-1] if given else None)
    if scales is None or len(scales) != len(before) or not np.isfinite(scales).all():
        raise NhotError("it must have a constant size or factor for each axis")
    policy = node.attributes.get("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch":
        raise NhotError(f"its sizes must be taken as they are, not by {shortened(policy)}")
    sizes = node.kind == "Resize" and len(node.inputs) > 3 and bool(node.inputs[3])
    steps = [one / size if sizes else one for one, size in zip(scales, before, strict=True)]
    up = [1, *(int(step) for step in steps[2:])][-2:]
    known = all(step == int(step) and 1 <= step <= LARGEST for step in steps)
    nearest = node.attributes.get("mode", "nearest") == "nearest" and known and all(
        _nearest(node, size, factor) for size, factor in zip(dims[1:], up[-len(dims[1:]):],
                                                             strict=True))
    if steps[:2] != [1, 1] or not nearest:
        raise NhotError(f"it must be nearest by whole factors of height and width, not "
                        f"{node.attributes.get('mode', 'nearest')!r} by "
                        f"{[round(step, 3) for step in steps]}")
    reader.finish(node, reader.add(node, Upsample, source, factors=(up[0], up[1])))


def _nearest(node: NodeInfo, size: int, factor: int) -> bool:
    """Whether each element comes ``factor`` times; the standard defines which one is taken."""
    way = node.attributes.get("coordinate_transformation_mode", "half_pixel")
    plain = "round_prefer_floor"
    if node.kind == "Upsample" or len(node.inputs) < 3:  # before version 11
        way, plain = "asymmetric", "floor"
    outputs = np.arange(min(size * factor, 4 * factor), dtype=np.float64)
    if way == "asymmetric":
        places = outputs / factor
    elif way in {"half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"}:
        places = (outputs + 0.5) / factor - 0.5
    else:
        return factor == 1
    match node.attributes.get("nearest_mode", plain):
        case "floor":
            taken = np.floor(places)
        case "ceil":
            taken = np.ceil(places)
        case "round_prefer_ceil":
            taken = np.floor(places + 0.5)
        case _:
            taken = np.ceil(places - 0.5)
    return bool((np.clip(taken, 0, size - 1) == outputs // factor).all())


def _reshape(reader: Reader, node: NodeInfo) -> None:
    """Flattens, or adds and takes off axes of one: the order of the elements stays.

    A map of one channel, or of one place, lies channels first as well as last.
    """
    source, dims = reader.operand(node), reader.dims[node.inputs[0]]
    shape, (batch, *sizes) = reader.shape(source), _made(reader, node, (1, *dims)) or (0,)
    last, made = node.inputs[0] in reader.channels_last, tuple(sizes)
    either = shape[2] == 1 or shape[:2] == (1, 1)
    turned = either and len(made) > 1 and not lies_as(made, shape, last=last)
    if batch != 1 or not (
        len(made) == 1 or made == dims or lies_as(made, shape, last=last != turned)
    ):
        raise NhotError(f"it must flatten a sample {dims}, or leave it as it is, not make "
                        f"{(batch, *made)} of it and its batch")
    reader.finish(node, source, made, last=last != turned)


def _made(reader: Reader, node: NodeInfo, before: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes, the batch's included, that a reshape, flattening, ... makes."""
    given = node.attributes.get("axes")
    if node.kind != "Flatten" and len(node.inputs) > 1 and node.inputs[1]:
        given = integers(reader.constant(node, 1))
    match node.kind:
        case "Flatten":
            axis = node.attributes.get("axis", 1)
            axis += len(before) if axis < 0 else 0
            return prod(before[:axis]), prod(before[axis:])
        case "Reshape":
            return reshaped(before, given or node.attributes.get("shape") or [])
        case "Squeeze":
            drop = {axis % len(before) for axis in given} if given else {
                axis for axis, size in enumerate(before) if size == 1 and axis}
            if any(before[axis] != 1 for axis in drop):
                raise NhotError(f"it must take off axes of one, not {sorted(drop)} of {before}")
            return tuple(size for axis, size in enumerate(before) if axis not in drop)
    more = list(before)
    axes = len(before) + len(given or [])
    for axis in sorted(axis % axes for axis in given or []):
        more.insert(axis, 1)
    return tuple(more)


def _same(reader: Reader, node: NodeInfo) -> None:
    if node.kind == "Cast" and node.attributes.get("to") not in {1, 10, 11}:
        raise NhotError("it must be to floats")
    if node.kind == "Dropout" and len(node.inputs) > 2 and any(
        one is not None and one.values.any() for one in reader.constants_of(node)[2:]
    ):
        raise NhotError("it must be of a model that is evaluated, not trained")
    reader.finish(node, reader.operand(node), reader.dims[node.inputs[0]])


def _transpose(reader: Reader, node: NodeInfo) -> None:
    """From channels first to channels last, or back: the same map lies otherwise."""
    source, last = reader.operand(node), node.inputs[0] in reader.channels_last
    sizes = (1, *reader.dims[node.inputs[0]])
    straight = list(range(len(sizes)))
    order = node.attributes.get("perm") or straight[::-1]
    turned = sorted(order) == straight and order in (TO_FIRST if last else TO_LAST)
    if order != straight and not turned:
        raise NhotError("it must lead from channels first to channels last or back, not order axes "
                        f"as {order}")
    reader.finish(node, source, tuple(sizes[axis] for axis in order[1:]), last=last != turned)


MOVES: dict[str, Callable[[Reader, NodeInfo], None]] = {
    "Pad": _pad, "Concat": _concat, "Resize": _upsample, "Upsample": _upsample,
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), _reshape),
    **dict.fromkeys(("Identity", "Dropout", "Cast"), _same), "Transpose": _transpose,
}
"""By their names in ONNX."""
