"""What a model may be made of, and what to say to anything else."""

from __future__ import annotations

from nhot.errors import NhotError

__all__ = ["SUPPORTED", "unsupported"]

SUPPORTED = (
    "Conv2d, Conv1d, ConvTranspose2d, ConvTranspose1d, Linear, BatchNorm2d, BatchNorm1d, "
    "sums, differences, products and quotients with constants, ReLU, ReLU6, Hardtanh, clamp, "
    "MaxPool2d, MaxPool1d, AvgPool2d, AvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool1d, "
    "mean over height and width, nearest Upsample, zero padding, "
    "the sum of two tensors, cat of channels, Flatten, Dropout, Identity"
)

_ADVICE = {
    "ReLU or ReLU6 can be trained in its place": (
        "silu", "gelu", "elu", "celu", "selu", "mish", "softplus", "hardswish", "leakyrelu",
        "prelu", "rrelu", "threshold",
    ),
    "Hardtanh can be trained in its place": ("tanh", "softsign"),
    "Hardtanh(0, 1) can be trained in its place": ("sigmoid", "hardsigmoid"),
    "BatchNorm2d can be trained in its place": (
        "groupnorm", "layernorm", "rmsnorm", "instancenorm1d", "instancenorm2d",
        "localresponsenorm",
    ),
    "MaxPool2d can be trained in its place": ("lppool2d", "fractionalmaxpool2d"),
}
"""What a user can do, and instead of what."""

_LAST = {
    "as the last step it can be left out, as the order of the scores is the same without it":
        ("sigmoid", "logsigmoid"),
    "as the last step it can be left out where it is over the classes, as their order is the same "
    "without it": ("softmax", "logsoftmax"),
}
"""The same of what nothing comes after."""


def unsupported(what: str, name: str, *, last: bool = False) -> NhotError:
    """The refusal of ``what``, a module or operation in words, which is a ``name``.

    ``last`` says that nothing of the model comes after it.
    """
    kind = name.lower().strip("_").replace("_", "")
    known = {**(_LAST if last else {}), **_ADVICE}
    advice = next((f"; {text}" for text, kinds in known.items() if kind in kinds), "")
    return NhotError(f"{what} must be one of {SUPPORTED}, not {name}{advice}")
