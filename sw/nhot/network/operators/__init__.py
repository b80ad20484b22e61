"""The operators of an integer network, as data, each with the rules for the tensor it makes.

Each node reads tensors by name and makes one tensor. Shapes are (height, width, channels); weights
and kernels lead with the output channel. What the numbers are is defined in
:mod:`nhot.network.reference`.
"""

from nhot.network.node import Node
from nhot.network.operators.filters import Conv2d, Convolution, ConvTranspose2d, Filters, Linear
from nhot.network.operators.joins import Add, Concat
from nhot.network.operators.pointwise import ArgMax, Clamp, RoundTerms
from nhot.network.operators.spatial import AvgPool, MaxPool, Upsample
from nhot.network.window import Window

__all__ = [
    "Add", "ArgMax", "AvgPool", "Clamp", "Concat", "Conv2d", "ConvTranspose2d", "Convolution",
    "Filters", "Linear", "MaxPool", "Node", "RoundTerms", "Upsample", "Window",
]
