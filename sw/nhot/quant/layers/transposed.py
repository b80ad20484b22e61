"""Transposed convolutions."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from nhot import network
from nhot.errors import NhotError
from nhot.network.tensor import Shape
from nhot.quant.activations import ActivationQuant
from nhot.quant.layers.filters import QuantFilters
from nhot.quant.layers.layer import Grid
from nhot.quant.weights import WeightSpec

__all__ = ["QuantConvTranspose"]


class QuantConvTranspose(QuantFilters):
    """A transposed convolution; its weights are kept filters first, as those of a convolution."""

    def __init__(
        self, name: str, source: str, shape: Shape, rounding: ActivationQuant,
        module: nn.ConvTranspose2d, input_shape: Shape, spec: WeightSpec,
    ):
        super().__init__(
            name, source, shape, rounding, _as_convolution(module), input_shape, spec
        )
        rows, columns = self.window.transposed_size(*input_shape[:2])
        self.output_padding = (shape[0] - rows, shape[1] - columns)
        if any(map(int.__ge__, self.output_padding, self.window.stride)):
            raise NhotError(
                f"Output padding of {name!r} must be below the stride {self.window.stride}, "
                f"not {self.output_padding}"
            )

    def node(self, grids: tuple[Grid, ...], grid: Grid) -> network.Node:
        (source,) = grids
        levels, bias, requant = self.parameters_for(source, grid)
        return network.ConvTranspose2d(
            inputs=self.sources, output=grid, bias=bias, format=self.format, requant=requant,
            weights=levels.permute(0, 2, 3, 1).contiguous().numpy(), window=self.window,
            groups=self.groups, output_padding=self.output_padding,
        )

    def _convolve(self, x: Tensor, weight: Tensor, padding: float) -> Tensor:
        if padding:  # the zero point, of integers; less it they need more than single precision
            x, weight = x.double() - padding, weight.double()
        total = F.conv_transpose2d(
            x, _turned(weight, self.groups), stride=self.window.stride,
            padding=self.window.padding[:2], output_padding=self.output_padding,
            groups=self.groups, dilation=self.window.dilation,
        )
        # What lies between pixels is zero here, and `padding` in the sum that is wanted.
        return total + padding * weight.sum((1, 2, 3)).reshape(1, -1, 1, 1) if padding else total


def _as_convolution(module: nn.ConvTranspose2d) -> nn.Conv2d:
    """The convolution with the same parameters, filters first."""
    kernel, stride, dilation = (
        (pair[0], pair[1]) for pair in (module.kernel_size, module.stride, module.dilation)
    )
    padding = (int(module.padding[0]), int(module.padding[1]))
    convolution = nn.Conv2d(
        module.in_channels, module.out_channels, kernel, stride=stride, padding=padding,
        dilation=dilation, groups=module.groups, device="meta",  # nothing is drawn for it
    )
    convolution.weight = nn.Parameter(_turned(module.weight.detach(), module.groups))
    convolution.bias = module.bias
    known = getattr(module, "weight_scale", None)  # one a filter, whatever their order is
    convolution.register_buffer("weight_scale", known, persistent=False)
    return convolution


def _turned(weight: Tensor, groups: int) -> Tensor:
    """(filters, channels / groups, y, x) as (channels, filters / groups, y, x), and back."""
    outer, inner, *kernel = weight.shape
    grouped = weight.reshape(groups, outer // groups, inner, *kernel).transpose(1, 2)
    return grouped.reshape(groups * inner, outer // groups, *kernel).contiguous()
