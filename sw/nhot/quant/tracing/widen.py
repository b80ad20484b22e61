"""Modules over (batch, channels, length) as those over maps of one row."""

from __future__ import annotations

from typing import Any

from torch import nn

__all__ = ["axes_of", "widened"]

_ONE = (
    nn.Conv1d, nn.ConvTranspose1d, nn.MaxPool1d, nn.AvgPool1d, nn.AdaptiveAvgPool1d,
)
_TWO = (
    nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d,
)


def axes_of(module: nn.Module) -> int | None:
    """Axes of the tensors that ``module`` works on, the batch's included; None if it has no say."""
    if isinstance(module, _ONE):
        return 3
    return 4 if isinstance(module, _TWO) else 2 if isinstance(module, nn.Linear) else None


def widened(module: nn.Module) -> nn.Module:
    """``module`` itself, or what it is on maps of height 1."""
    match module:
        case nn.Conv1d():
            return _filters(nn.Conv2d, module, padding_mode=module.padding_mode)
        case nn.ConvTranspose1d():
            output_padding = (0, _only(module.output_padding))
            return _filters(nn.ConvTranspose2d, module, output_padding=output_padding)
        case nn.MaxPool1d():
            return nn.MaxPool2d(
                (1, _only(module.kernel_size)), (1, _only(module.stride)),
                (0, _only(module.padding)), (1, _only(module.dilation)),
                module.return_indices, module.ceil_mode,
            )
        case nn.AvgPool1d():
            return nn.AvgPool2d(
                (1, _only(module.kernel_size)), (1, _only(module.stride)),
                (0, _only(module.padding)), module.ceil_mode, module.count_include_pad,
            )
        case nn.AdaptiveAvgPool1d():
            return nn.AdaptiveAvgPool2d((1, _only(module.output_size)))
        case _:
            return module


def _filters(kind: type[Any], module: Any, **options: Any) -> nn.Module:
    padding = module.padding
    made: Any = kind(
        module.in_channels, module.out_channels, (1, _only(module.kernel_size)),
        stride=(1, _only(module.stride)), dilation=(1, _only(module.dilation)),
        padding=padding if isinstance(padding, str) else (0, _only(padding)),
        groups=module.groups, device="meta", **options,  # nothing is drawn for it
    )
    made.weight = nn.Parameter(module.weight.detach().unsqueeze(2))
    made.bias = module.bias
    result: nn.Module = made
    return result


def _only(value: Any) -> Any:
    return value[0] if isinstance(value, tuple | list) else value
