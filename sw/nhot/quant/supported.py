"""What a model may be made of, and what to say to anything else."""

from __future__ import annotations

from nhot.errors import NhotError

__all__ = ["SUPPORTED", "unsupported"]

SUPPORTED = (
    "Conv2d, ConvTranspose2d, Linear, BatchNorm2d and BatchNorm1d (after one of these), ReLU, "
    "ReLU6, MaxPool2d, AvgPool2d, AdaptiveAvgPool2d, mean over height and width, nearest Upsample, "
    "the sum of two tensors, cat of channels, Flatten, Dropout, Identity"
)

ADVICE = {
    "as the last step it can be left out, as the order of the scores is the same without it":
        ("softmax", "logsoftmax", "sigmoid"),
    "ReLU or ReLU6 can be trained in its place":
        ("silu", "gelu", "elu", "leakyrelu", "prelu", "hardswish", "hardtanh", "tanh"),
    "BatchNorm2d can be trained in its place": ("groupnorm", "layernorm", "instancenorm2d"),
    "constants can be part of the samples, or of the weights before or after":
        ("sub", "mul", "div", "truediv"),
    "the padding can be that of the Conv2d after it": ("pad", "zeropad2d"),
}
"""What a user can do, and instead of what."""


def unsupported(what: str, name: str) -> NhotError:
    """The refusal of ``what``, a module or operation in words, which is a ``name``."""
    kind = name.lower().replace("_", "")
    advice = next((f"; {text}" for text, kinds in ADVICE.items() if kind in kinds), "")
    return NhotError(f"{what} must be one of {SUPPORTED}, not {name}{advice}")
