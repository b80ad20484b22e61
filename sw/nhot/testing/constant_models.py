"""Float models that are a function of their input and of constants, and samples for them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["Model", "samples"]


class Model(nn.Module):
    """A function of the input, and modules with weights that it may use."""

    def __init__(self, function: Callable[[Model, Tensor], Tensor], *modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.parts = nn.ModuleList(modules)
        self.register_buffer("mean", torch.tensor([0.4, 0.5, 0.3]).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.2, 0.3, 0.25]).reshape(3, 1, 1))
        self.register_buffer("image", torch.rand(3, 6, 6))
        self.gain = nn.Parameter(torch.tensor(1.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def samples() -> Tensor:
    """Numbers from 0 to 1 (24, 3, 6, 6)."""
    return torch.rand(24, 3, 6, 6, generator=torch.Generator().manual_seed(1))
