"""What the networks share: a convolution with its normalisation, and initial weights."""

from __future__ import annotations

import math
from typing import TypeVar

from torch import nn

from nhot.errors import NhotError

__all__ = ["conv_norm", "divisible", "initialise"]

Model = TypeVar("Model", bound=nn.Module)


def conv_norm(
    channels: int, filters: int, kernel: int | tuple[int, int] = 1, *, stride: int = 1,
    padding: int | tuple[int, int] | None = None, groups: int = 1,
    activation: type[nn.Module] | None = None,
) -> nn.Sequential:
    """Convolution, batch normalisation, and an activation if there is one.

    (batch, channels, height, width) -> (batch, filters, height / stride, width / stride). There is
    no bias, which the normalisation has. Padding is half the kernel unless given.
    """
    sizes = (kernel, kernel) if isinstance(kernel, int) else kernel
    half = (sizes[0] // 2, sizes[1] // 2)
    convolution = nn.Conv2d(
        channels, filters, sizes, stride=stride, padding=half if padding is None else padding,
        groups=groups, bias=False,
    )
    layers = nn.Sequential(convolution, nn.BatchNorm2d(filters))
    return layers if activation is None else layers.append(activation())


def divisible(channels: float, by: int = 8) -> int:
    """Channels of a network of another width: a multiple of ``by`` near ``channels``.

    At least ``by``, and never less than nine tenths of what was asked for (as the MobileNets do).
    """
    if not channels > 0:
        raise NhotError(f"Width of a network must be positive, not one of {channels} channels")
    near = max(by, int(channels + by / 2) // by * by)
    return near + by if near < 0.9 * channels else near


def initialise(model: Model) -> Model:
    """Set the initial weights of all layers in place, for networks of ReLUs; gives ``model``.

    Source: He et al., arXiv 1502.01852, so that the variance stays through the layers.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, std=math.sqrt(2 / _inputs(module)))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return model


def _inputs(module: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> float:
    """How many weighted inputs an output of a layer sums."""
    if isinstance(module, nn.ConvTranspose2d):
        # (channels, filters, y, x): the stride spreads the taps over as many outputs.
        taps = module.weight[0, 0].numel() / math.prod(module.stride)
        return module.weight.shape[0] / module.groups * taps
    return module.weight[0].numel()
