"""What the operators of torch are in ONNX, one function a kind.

Arguments are called as in torch's schema (``native_functions.yaml``), and missing where they are at
their default.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nhot.errors import NhotError
from nhot.frontends.exported.archive import TYPES
from nhot.frontends.exported.translate import Translator
from nhot.printable import shortened

__all__ = ["CALLS"]

_CASTS = {7: 1, 6: 10, 8: 11}
"""Types of floats: torch's number, ONNX's number."""

_INTEGERS = {1: (0, 255), 2: (-128, 127)}
"""Types of activations and weights of 8 bits, and what they hold."""


def _convolution(t: Translator) -> None:
    axes = _axes(t, t.outputs[0])
    padding = t.get("padding", [0])
    attributes: dict[str, Any] = {
        "strides": _each(t.get("stride", [1]), axes), "group": t.get("groups", 1),
        "dilations": _each(t.get("dilation", [1]), axes),
    }
    if isinstance(padding, str):
        ways = {"same": "SAME_UPPER", "valid": "VALID"}
        attributes["auto_pad"] = ways.get(padding, shortened(padding))
    else:
        attributes["pads"] = _each(padding, axes) * 2
    kind = "Conv"
    if t.get("transposed", "conv_transpose" in t.call.target):
        kind = "ConvTranspose"
        attributes["output_padding"] = _each(t.get("output_padding", [0]), axes)
    t.emit(kind, t.get("input"), t.get("weight"), t.get("bias", ""), **attributes)


def _linear(t: Translator) -> None:
    t.emit("Gemm", t.get("input"), t.get("weight"), t.get("bias", ""), transB=1)


def _addmm(t: Translator) -> None:
    t.emit("Gemm", t.get("mat1"), t.get("mat2"), t.get("self"), alpha=t.get("alpha", 1),
           beta=t.get("beta", 1))


def _product(t: Translator) -> None:
    t.emit("MatMul", t.get("self"), t.get("mat2", t.get("other", "")))


def _normalisation(t: Translator) -> None:
    channels = t.sizes(t.get("input"))[1:2]
    t.emit(
        "BatchNormalization", t.get("input"),
        t.get("weight") or t.constant(np.ones(channels)),
        t.get("bias") or t.constant(np.zeros(channels)),
        t.get("running_mean", ""), t.get("running_var", ""),
        epsilon=float(t.get("eps", 1e-5)), training_mode=int(t.get("training", False)),
    )


def _limits(low: float | None = None, high: float | None = None) -> Callable[[Translator], None]:
    def convert(t: Translator) -> None:
        least, most = (t.get(one, t.get(other, limit)) for one, other, limit in (
            ("min", "min_val", low), ("max", "max_val", high)))
        t.emit("Clip", t.get("self"), *("" if limit is None else t.constant(limit)
                                        for limit in (least, most)))
    return convert


def _pool(t: Translator) -> None:
    largest, axes = "max" in t.call.target, _axes(t, t.get("self"))
    kernel = _each(t.get("kernel_size"), axes)
    if t.get("divisor_override") is not None:
        raise NhotError(f"it must divide by the size of its windows, not by "
                        f"{shortened(t.get('divisor_override'))}")
    t.emit(
        "MaxPool" if largest else "AveragePool", t.get("self"), kernel_shape=kernel,
        strides=_each(t.get("stride") or kernel, axes), ceil_mode=int(t.get("ceil_mode", False)),
        dilations=_each(t.get("dilation", [1]), axes), pads=_each(t.get("padding", [0]), axes) * 2,
        count_include_pad=int(t.get("count_include_pad", True)),
    )


def _adaptive(t: Translator) -> None:
    before, after = (t.sizes(name)[2:] for name in (t.get("self"), t.outputs[0]))
    if len(before) != len(after) or any(a % b for a, b in zip(before, after, strict=True)):
        raise NhotError(f"its windows must be of one size, which {before} to {after} has not")
    steps = [a // b for a, b in zip(before, after, strict=True)]
    largest = "max" in t.call.target
    t.emit("MaxPool" if largest else "AveragePool", t.get("self"), kernel_shape=steps,
           strides=steps)


def _mean(t: Translator) -> None:
    t.emit("ReduceMean", t.get("self"), axes=t.get("dim"), keepdims=int(t.get("keepdim", False)))


def _arithmetic(kind: str, *, swapped: bool = False) -> Callable[[Translator], None]:
    def convert(t: Translator) -> None:
        this, other = (
            one if isinstance(one, str) else t.constant(float(one))
            for one in map(t.get, ("other", "self") if swapped else ("self", "other"))
        )
        if t.get("alpha", 1) != 1:
            other = t.emit("Mul", other, t.constant(float(t.get("alpha"))),
                           output=f"{t.outputs[0]}/other")
        if t.get("rounding_mode") is not None:
            raise NhotError(f"it must not round, as it does with "
                            f"{shortened(t.get('rounding_mode'))}")
        t.emit(kind, this, other)
    return convert


def _negated(t: Translator) -> None:
    t.emit("Mul", t.get("self"), t.constant(-1.0))


def _concat(t: Translator) -> None:
    t.emit("Concat", *t.get("tensors"), axis=t.get("dim", 0))


def _reshape(t: Translator) -> None:
    """Flattens, or adds and takes off axes of one: the sizes of the output say all."""
    t.emit("Reshape", t.get("self"), t.constant(t.sizes(t.outputs[0]), np.int64))
    t.share()


def _transpose(t: Translator) -> None:
    axes = list(range(len(t.sizes(t.get("self")))))
    order = t.get("dims")
    if order is None:
        one, other = (t.get(name, axis) for name, axis in (("dim0", 0), ("dim1", -1)))
        order = list(axes)
        order[one], order[other] = order[other], order[one]
    t.emit("Transpose", t.get("self"), perm=[axis % len(axes) for axis in order])
    t.share()


def _copied(t: Translator) -> None:
    t.emit("Identity", t.get("self"))


def _laid_out(t: Translator) -> None:
    """A copy, or the very tensor where it lies so already."""
    _copied(t)
    t.share()


def _same(t: Translator) -> None:
    if t.get("train", False):
        raise NhotError("it must be of a model that is evaluated (eval()), not trained")
    t.emit("Identity", t.get("self", t.get("input")))
    t.share(whole=True)


def _cast(t: Translator) -> None:
    kind = t.get("dtype", 7)
    t.emit("Cast", t.get("self"), to=_CASTS.get(kind, 0))
    t.share()


def _upsample(t: Translator) -> None:
    before, after = (t.sizes(name) for name in (t.get("input", t.get("self")), t.outputs[0]))
    scales = [b / a for a, b in zip(before, after, strict=False)]
    t.emit("Resize", t.get("input", t.get("self")), "", t.constant(scales), mode="nearest",
           coordinate_transformation_mode="asymmetric", nearest_mode="floor")


def _pad(t: Translator) -> None:
    axes = len(t.sizes(t.get("self")))
    given = list(t.get("pad", []))
    given += [0] * (2 * axes - len(given))
    before, after = given[::2][::-1], given[1::2][::-1]  # torch begins with the last axis
    t.emit("Pad", t.get("self"), pads=before + after, value=float(t.get("value", 0.0)),
           mode=t.get("mode", "constant"))


def _one_sided(kind: str) -> Callable[[Translator], None]:
    def convert(t: Translator) -> None:
        t.emit(kind, t.get("self"), t.get("other"))
    return convert


def _last(kind: str) -> Callable[[Translator], None]:
    def convert(t: Translator) -> None:
        t.emit(kind, t.get("self"))
    return convert


def _quantize(t: Translator) -> None:
    scale, zero, low, high = _grid(t)
    least, most = _INTEGERS[t.get("dtype")]
    within = (low, high) == (least, most)
    made = t.emit("QuantizeLinear", t.get("input"), scale, zero,
                  output="" if within else f"{t.outputs[0]}/whole")
    if not within:
        t.emit("Clip", made, *(t.constant(end, np.int64) for end in (low, high)))


def _dequantize(t: Translator) -> None:
    scale, zero, *_ = _grid(t)
    t.emit("DequantizeLinear", t.get("input"), scale, zero, axis=t.get("axis", 1))


def _grid(t: Translator) -> tuple[str, str, int, int]:
    """Constants of the scale and the zero point, and the ends of the range."""
    kind = t.get("dtype")
    if kind not in _INTEGERS:
        raise NhotError(f"integers must be of 8 bits, not of {TYPES.get(kind, shortened(kind))}")
    numbers = []
    for what, plural in (("scale", "scales"), ("zero_point", "zero_points")):
        value = t.get(what, t.get(plural))
        if isinstance(value, str) and value not in t.constants:
            raise NhotError(f"its {what} must be a constant, not {shortened(value)}, which is "
                            "computed")
        numbers.append(t.constants[value] if isinstance(value, str) else value)
    scale, zero = numbers
    least, most = _INTEGERS[kind]
    if np.min(zero, initial=0) < least or np.max(zero, initial=0) > most:
        raise NhotError(f"zero point must be {least} to {most}, not {shortened(zero)}")
    low, high = t.get("quant_min", least), t.get("quant_max", most)
    return t.constant(scale), t.constant(zero, TYPES[kind]), max(low, least), min(high, most)


def _each(values: Any, axes: int) -> list[int]:
    """A number an axis; one is for all."""
    return list(values) * axes if len(values) == 1 else list(values)


def _axes(t: Translator, name: str) -> int:
    """Axes of a tensor that a window moves over."""
    return len(t.sizes(name)) - 2


CALLS: dict[str, Callable[[Translator], None]] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "convolution"),
                    _convolution),
    "linear": _linear, "addmm": _addmm, "mm": _product, "matmul": _product,
    "batch_norm": _normalisation, "_native_batch_norm_legit_no_training": _normalisation,
    "relu": _limits(0.0), "relu6": _limits(0.0, 6.0), "hardtanh": _limits(-1.0, 1.0),
    "minimum": _one_sided("Min"), "maximum": _one_sided("Max"),
    "clamp": _limits(), "clip": _limits(), "clamp_min": _limits(), "clamp_max": _limits(),
    **dict.fromkeys(("max_pool1d", "max_pool2d", "max_pool2d_with_indices", "avg_pool1d",
                     "avg_pool2d"), _pool),
    **dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d",
                     "adaptive_max_pool1d", "adaptive_max_pool2d"), _adaptive),
    "mean": _mean, "add": _arithmetic("Add"), "sub": _arithmetic("Sub"),
    "rsub": _arithmetic("Sub", swapped=True), "mul": _arithmetic("Mul"), "div": _arithmetic("Div"),
    "neg": _negated,
    "cat": _concat, "concat": _concat,
    **dict.fromkeys(("flatten", "view", "_unsafe_view", "reshape", "squeeze", "unsqueeze",
                     "unflatten"), _reshape),
    **dict.fromkeys(("permute", "t", "transpose"), _transpose),
    **dict.fromkeys(("dropout", "dropout_", "feature_dropout", "feature_dropout_", "alias",
                     "detach", "detach_"), _same),
    "contiguous": _laid_out,
    **dict.fromkeys(("clone", "lift_fresh_copy"), _copied),
    "to": _cast, "_to_copy": _cast,
    "upsample_nearest2d": _upsample, "upsample_nearest1d": _upsample,
    "pad": _pad, "constant_pad_nd": _pad,
    **dict.fromkeys(("softmax", "_softmax"), _last("Softmax")),
    **dict.fromkeys(("log_softmax", "_log_softmax"), _last("LogSoftmax")),
    "sigmoid": _last("Sigmoid"),
    "quantize_per_tensor": _quantize, "dequantize_per_tensor": _dequantize,
    "dequantize_per_channel": _dequantize,
}
"""By their names in torch, without the overload; those that write in place have ``_`` behind."""
