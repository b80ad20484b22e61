"""Integer networks: what they are, what they compute, and the file they live in."""

from nhot.network.network import Network
from nhot.network.operators import (
    Add,
    ArgMax,
    AvgPool,
    Clamp,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Filters,
    Linear,
    MaxPool,
    Node,
    RoundTerms,
    Upsample,
    Window,
)
from nhot.network.requant import Requant
from nhot.network.tensor import Tensor

__all__ = [
    "Add", "ArgMax", "AvgPool", "Clamp", "Concat", "Conv2d", "ConvTranspose2d", "Filters", "Linear",
    "MaxPool", "Network", "Node", "Requant", "RoundTerms", "Tensor", "Upsample",
    "Window",
]
