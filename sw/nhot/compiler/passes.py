"""Walks of the engine over tensors in its memory: how each tensor lies, and who reads it so."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np

from nhot.compiler.pieces import Pieces, join, places, position_words
from nhot.compiler.walks import POINT, UNIT, Walk, walks
from nhot.contract.config import EngineConfig
from nhot.errors import NhotError
from nhot.formats import SignedBinary
from nhot.formats.format import Ints
from nhot.network import (
    Add,
    ArgMax,
    AvgPool,
    Conv2d,
    Linear,
    MaxPool,
    Network,
    Node,
    Requant,
    Tensor,
)
from nhot.network.names import LONGEST

__all__ = ["Held", "Pass", "passes"]


@dataclass(frozen=True, kw_only=True)
class Held:
    """A tensor in the activation memory.

    Parameters
    ----------
    tensor : Tensor
    name : str
        By which it is placed: the tensor's, unless that is there twice.
    pieces : tuple of int
        Its channels between holes.
    from_host : bool
        Whether the host writes it: what its channels leave free of their words is then 0, and
        otherwise anything.
    """

    tensor: Tensor
    name: str
    pieces: Pieces = ()
    from_host: bool = False

    def places(self, inputs: int) -> Ints:
        """The byte of a position that each channel lies in, with words of ``inputs`` bytes."""
        return places(self.tensor.shape[2], self.pieces, inputs)

    def position_words(self, inputs: int) -> int:
        """Words of a position."""
        return position_words(self.tensor.shape[2], self.pieces, inputs)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pass:
    """A walk, and the tensors that it reads and writes as they lie."""

    walk: Walk
    inputs: tuple[Held, ...]
    output: Held


def passes(network: Network, config: EngineConfig) -> list[Pass]:
    """The passes that ``network`` takes, in order.

    Some copy a tensor for those that could not read it with its holes.
    """
    memory = _Memory(network, config)
    for walk in walks(network):
        memory.add(walk)
    return [
        Pass(walk=walk, inputs=inputs, output=memory.read(walk.output.name))
        for walk, inputs in memory.walks
    ]


class _Memory:
    """How tensors lie, found walk by walk."""

    def __init__(self, network: Network, config: EngineConfig) -> None:
        self.config = config
        self.walks: list[tuple[Walk, tuple[Held, ...]]] = []
        self._tensors = dict(network.tensors)
        source = network.input
        self._held = {source.name: Held(tensor=source, name=source.name, from_host=True)}
        # Of each tensor: where what is written into it begins, its channels and pieces.
        self._parts: dict[str, dict[int, tuple[int, Pieces]]] = defaultdict(dict)
        self._copies: dict[str, Held] = {}

    def read(self, name: str) -> Held:
        """A tensor that has been written whole."""
        if name not in self._held:
            parts = [part for _, part in sorted(self._parts[name].items())]
            self._held[name] = Held(
                tensor=self._tensors[name], name=name, pieces=join(parts, self.config.inputs)
            )
        return self._held[name]

    def add(self, walk: Walk) -> None:
        """A walk, after those of which it reads."""
        inputs = tuple(self.read(name) for name in walk.node.inputs)
        alike = len({held.pieces for held in inputs}) == 1
        if isinstance(walk.node, ArgMax) or not alike or self._has_regions(walk.node):
            inputs = tuple(self._without_holes(held, walk) for held in inputs)
        self._write(walk, inputs)

    def _has_regions(self, node: Node) -> bool:
        """Whether behind a hole a word may have channels of two signs, and lanes one for both."""
        if not self.config.weight_format.sign_codes or not isinstance(node, Conv2d | Linear):
            return False
        return isinstance(node.format, SignedBinary) and node.format.tile > 0

    def _write(self, walk: Walk, inputs: tuple[Held, ...]) -> None:
        on_channels = isinstance(walk.node, MaxPool | AvgPool | Add)  # rather than on lanes
        pieces = inputs[0].pieces if on_channels else ()
        self._parts[walk.output.name][walk.start] = (walk.node.output.shape[2], pieces)
        self.walks.append((walk, inputs))

    def _without_holes(self, held: Held, reader: Walk) -> Held:
        if not held.pieces:
            return held
        if not self.config.weight_format.contains(0):
            raise NhotError(
                f"Layer {reader.origin.name!r}: Channels joined to {held.name!r} must be whole "
                f"words of {self.config.inputs} where weights in {self.config.format}, which has "
                f"no zero, cannot copy them, not {', '.join(map(str, held.pieces))}"
            )
        if held.name not in self._copies:
            name = f"{held.name[: LONGEST - 9]} again"
            while name in self._tensors:
                name += "."
            self._tensors[name] = held.tensor
            output = replace(held.tensor, name=name)
            copy = _identity(held.tensor, self.config)
            self._write(Walk(origin=reader.origin, node=copy, output=output), (held,))
            self._copies[held.name] = self.read(name)
        return self._copies[held.name]


def _identity(tensor: Tensor, config: EngineConfig) -> Conv2d:
    """A convolution that hands on the integers of ``tensor``, wherever they lie."""
    channels = tensor.shape[2]
    return Conv2d(
        inputs=(tensor.name,), output=tensor, window=POINT, format=config.weight_format,
        weights=np.eye(channels, dtype=np.int64)[:, None, None],
        bias=np.full(channels, -tensor.zero_point),
        requant=Requant(
            multiplier=np.full(channels, UNIT), zero_point=tensor.zero_point, low=tensor.low,
            high=tensor.high,
        ),
    )
