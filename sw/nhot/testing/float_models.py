"""Float models as users write theirs, and samples for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Branches", "Classifier", "Then", "branches", "randomise", "samples"]

Norm = TypeVar("Norm", nn.BatchNorm1d, nn.BatchNorm2d)


def samples(*shape: int, count: int = 8, seed: int = 1) -> Tensor:
    """Normal numbers (count, *shape)."""
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))


def randomise(norm: Norm) -> Norm:
    """Statistics and gains of a batch normalisation that has seen something."""
    norm.weight.data.normal_()
    norm.bias.data.normal_()
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    return norm


class Then(nn.Module):
    """A convolution, something, and a convolution again."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.function, self.last = nn.Conv2d(2, 3, 1), function, nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.last(self.function(self.conv(x)))
        return made


class Classifier(nn.Module):
    """What classifiers of the field look like."""

    def __init__(
        self, to_vector: Callable[[Tensor], Tensor], features: int, depth: int = 2
    ) -> None:
        super().__init__()
        self.depth = depth
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Sequential(
            randomise(nn.BatchNorm2d(6)), nn.ReLU(inplace=True), nn.Dropout2d(0.1),
        ))
        self.blocks = nn.ModuleList(nn.Conv2d(6, 6, 3, padding=1) for _ in range(depth))
        self.to_vector = to_vector
        self.hidden, self.norm = nn.Linear(features, 8), randomise(nn.BatchNorm1d(8))
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor, scale: float | None = None, features: bool = False) -> Tensor:
        assert x.shape[1] == 3, "three channels"
        batch, _, height, width = x.size()
        if height != width or x.numel() == 0:
            raise ValueError("not square")
        x = self.stem(x)
        for block in self.blocks[: self.depth]:
            x = F.relu(block(x), inplace=True) + x
        x = self.to_vector(x)
        if scale is not None:
            x = x * scale
        if features:
            return x
        x = F.dropout(F.relu_(self.norm(self.hidden(x))), p=0.5, training=self.training)
        scores: Tensor = self.head(x.view(batch, -1))
        return scores


class Branches(nn.Module):
    """All kinds of layers with weights, with and without normalisation, and a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.bare = nn.BatchNorm2d(8, affine=False)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.dense = nn.Linear(4 * 12 * 12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.first(x)))
        x = x + torch.nn.functional.relu6(self.bare(self.depthwise(x)))
        made: Tensor = self.dense(self.up(x).flatten(1))
        return made


def branches() -> tuple[Branches, NDArray[np.float32]]:
    """The model with statistics that are not those it begins with, and 32 samples (3, 6, 6)."""
    torch.manual_seed(0)
    model, x = Branches(), torch.randn(32, 3, 6, 6)
    model.train()
    for _ in range(5):
        model(x)
    return model.eval(), x.numpy()
