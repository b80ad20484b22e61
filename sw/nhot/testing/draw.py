"""What every random layer of an engine has: numbers at their ends, from one source of chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nhot.compiler import EngineConfig
from nhot.formats import Format, parse
from nhot.formats.format import Ints
from nhot.network import Requant, Tensor
from nhot.network.tensor import Shape
from nhot.testing.networks import random_weights

__all__ = ["Draw"]


@dataclass(frozen=True)
class Draw:
    """Draws parts of layers for an engine of ``config``."""

    rng: np.random.Generator
    config: EngineConfig

    @property
    def format(self) -> Format:
        """The one format that the engine has."""
        return parse(self.config.format)

    def weights(self, shape: tuple[int, ...]) -> Ints:
        """Levels (filters, ...)."""
        return random_weights(self.rng, self.format, shape)

    def bias(self, source: Tensor, weights: Ints) -> Ints:
        """Biases of a layer on ``source``, some of them as large as its sums."""
        flat = weights.reshape(len(weights), -1)
        room = int(self.rng.choice([0, 100, 1 + 128 * np.abs(flat).sum(axis=1).max()]))
        noise = self.rng.integers(-room, room + 1, len(flat))
        return np.asarray(noise - source.zero_point * flat.sum(axis=1))

    def requant(self, count: int, output: Tensor) -> Requant:
        """Scales from the least to the largest that there are, of one to four terms."""
        scale = 2.0 ** self.rng.uniform(-18, 6.9, count) * self.rng.choice([-1, 1], count)
        if self.rng.random() < 0.6:
            scale = 2.0 ** self.rng.uniform(-12, -2, count)
        return Requant.from_scale(
            scale, zero_point=output.zero_point, low=output.low, high=output.high,
            terms=self.int(1, 4),
        )

    def tensor(self, name: str, shape: Shape) -> Tensor:
        """Of few bits or many, with a zero point at or near an end."""
        bits, signed = int(self.rng.choice([8, 8, 8, 5, 2])), bool(self.rng.integers(2))
        low = -(1 << (bits - 1)) if signed else 0
        zero = int(self.rng.choice([low, low + (1 << bits) - 1, low + self.int(0, 3)]))
        return Tensor(name=name, shape=shape, bits=bits, signed=signed, zero_point=zero)

    def int(self, low: int, high: int) -> int:
        """From ``low`` to ``high``, both included."""
        return int(self.rng.integers(low, high + 1))
