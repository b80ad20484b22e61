"""How fast the reference runs on this machine, and onnxruntime beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nhot.errors import MissingToolError
from nhot.formats import NHot
from nhot.formats.format import Ints
from nhot.network.counts import count
from nhot.network.file import to_bytes
from nhot.network.network import Network
from nhot.network.operators import Conv2d
from nhot.network.reference import run
from nhot.network.requant import Requant
from nhot.network.tensor import Tensor
from nhot.network.window import Window

__all__ = ["CASES", "Case", "measure", "measure_onnxruntime"]


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


def measure(network: Network, *, batch: int = 1, seconds: float = 0.5, seed: int = 0) -> float:
    """Millions of multiply-accumulates a second on random inputs: the best of the runs that fit.

    numpy takes as many threads as the environment gives it (``OMP_NUM_THREADS``) when it is
    imported.
    """
    x = _input(network, batch, seed)
    return count(network).macs * batch / _fastest(lambda: run(network, x), seconds) / 1e6


def measure_onnxruntime(
    network: Network, *, batch: int = 1, seconds: float = 0.5, seed: int = 0
) -> float:
    """The same network on the same inputs in onnxruntime: int8, one thread, all optimisations.

    What it computes may differ by a unit a layer: :mod:`nhot.network.qdq`.
    """
    session = _session(network)
    tensor = network.input
    x = (_input(network, batch, seed) - tensor.zero_point) * tensor.scale
    feed = {tensor.name: np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32)}
    return count(network).macs * batch / _fastest(lambda: session.run(None, feed), seconds) / 1e6


def _input(network: Network, batch: int, seed: int) -> Ints:
    low, high = network.input.low, network.input.high
    shape = (batch, *network.input.shape)
    return np.random.default_rng(seed).integers(low, high + 1, shape)


def _fastest(work: Callable[[], object], seconds: float) -> float:
    """The shortest time that ``work`` takes, at least once, until the time is up."""
    best, end = float("inf"), time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def _session(network: Network) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise MissingToolError(
            "This measurement needs the package onnxruntime; run: pip install 'nhot[test]'"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        to_bytes(network), options, providers=["CPUExecutionProvider"]
    )
