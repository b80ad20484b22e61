"""How fast the reference runs on this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from nhot.formats import NHot
from nhot.network.network import Network
from nhot.network.operators import Conv2d, Filters
from nhot.network.reference import run
from nhot.network.requant import Requant
from nhot.network.tensor import Tensor
from nhot.network.window import Window

__all__ = ["CASES", "Case", "macs", "measure"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A convolution to measure, "same" padded."""

    size: int
    channels: int
    filters: int
    kernel: int = 3
    groups: int = 1
    batch: int = 1

    def __str__(self) -> str:
        shape = f"{self.size}x{self.size}x{self.channels}"
        groups = f" in {self.groups} groups" if self.groups > 1 else ""
        return f"{self.kernel}x{self.kernel} of {shape} to {self.filters}{groups}"

    def network(self, seed: int = 0) -> Network:
        """The convolution alone, with random 2-hot weights."""
        random = np.random.default_rng(seed)
        x = Tensor(name="x", shape=(self.size, self.size, self.channels))
        y = Tensor(name="y", shape=(self.size, self.size, self.filters))
        fmt = NHot(bits=8, n=2)
        shape = (self.filters, self.kernel, self.kernel, self.channels // self.groups)
        node = Conv2d(
            inputs=("x",), output=y, format=fmt, groups=self.groups,
            weights=fmt.nearest(random.normal(0, 25, shape)),
            bias=np.zeros(self.filters, np.int64),
            requant=Requant(
                multiplier=np.full(self.filters, 1 << 14), zero_point=0, low=0, high=255
            ),
            window=Window(
                kernel=(self.kernel, self.kernel), padding=(self.kernel // 2,) * 4
            ),
        )
        return Network(name=str(self), input=x, nodes=(node,))


CASES = (
    Case(size=28, channels=1, filters=16, batch=64),
    Case(size=32, channels=3, filters=16, batch=64),
    Case(size=32, channels=16, filters=16, batch=32),
    Case(size=16, channels=32, filters=32, batch=32),
    Case(size=8, channels=64, filters=64, batch=64),
    Case(size=8, channels=64, filters=128, kernel=1, batch=64),
    Case(size=48, channels=16, filters=16, groups=16, batch=16),
    Case(size=112, channels=32, filters=64, batch=1),
)
"""First layers, residual blocks, pointwise, depthwise and a large map."""


def macs(network: Network) -> int:
    """Multiply-accumulates of one inference, those in the padding counted."""
    return sum(
        node.macs(*network.inputs(node)) for node in network.nodes if isinstance(node, Filters)
    )


def measure(network: Network, *, batch: int = 1, seconds: float = 0.5, seed: int = 0) -> float:
    """Millions of multiply-accumulates a second on random inputs: the best of the runs that fit."""
    tensor = network.input
    random = np.random.default_rng(seed)
    x = random.integers(tensor.low, tensor.high + 1, (batch, *tensor.shape))
    best, end = float("inf"), time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < end:
        start = time.perf_counter()
        run(network, x)
        best = min(best, time.perf_counter() - start)
    return macs(network) * batch / best / 1e6
