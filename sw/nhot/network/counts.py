"""What the weights of a network come to: how many, how many are not zero, bits and additions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np

from nhot.formats import Format, SignedBinary, Uniform
from nhot.network.network import Network
from nhot.network.node import Node
from nhot.network.operators import Add, AvgPool, Concat, Filters
from nhot.network.tensor import Tensor

__all__ = ["Counts", "count", "count_layer", "requant_terms", "shift_adds"]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Sums over the weights of a layer or of a network.

    Parameters
    ----------
    weights : int
    effectual : int
        Weights that are not zero. Source of the word: PLUM, arXiv 2312.01581.
    bits : int
        Of all weights, stored as dense codes; a region of signed-binary weights has a sign bit.
    terms : int
        Signed powers of two in all weights, each in its shortest form.
    macs : int
        Multiply-accumulates of an inference, those in the padding counted.
    shift_adds : int
        Shifted additions of an inference where each weight takes the most of its format, as
        :func:`shift_adds` has it.
    mean_shift_adds : int
        The same where each weight takes its own terms.
    """

    weights: int = 0
    effectual: int = 0
    bits: int = 0
    terms: int = 0
    macs: int = 0
    shift_adds: int = 0
    mean_shift_adds: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{
            field.name: getattr(self, field.name) + getattr(other, field.name)
            for field in fields(self)
        })

    @property
    def density(self) -> float:
        """The part of the weights that is not zero."""
        return self.effectual / max(self.weights, 1)

    @property
    def bits_per_weight(self) -> float:
        """Bits of a weight, on average."""
        return self.bits / max(self.weights, 1)

    @property
    def terms_per_weight(self) -> float:
        """Signed powers of two of a weight, on average."""
        return self.terms / max(self.weights, 1)


def count(network: Network, layers: Iterable[str] | None = None) -> Counts:
    """The sums over all layers of ``network`` with weights, or over those named."""
    chosen = None if layers is None else set(layers)
    total = Counts()
    for node in network.nodes:
        if isinstance(node, Filters) and (chosen is None or node.name in chosen):
            total += count_layer(node, *network.inputs(node))
    return total


def count_layer(node: Filters, x: Tensor) -> Counts:
    """The sums of one layer that reads ``x``."""
    format, weights, macs = node.format, int(node.weights.size), node.macs(x)
    levels, _ = format.fold_signs(node.weights)
    terms = int(format.cost(levels).sum())
    return Counts(
        weights=weights, effectual=int(np.count_nonzero(node.weights)), bits=_bits(node),
        terms=terms, macs=macs, shift_adds=shift_adds(format) * macs,
        # Every weight is used at as many places as any other.
        mean_shift_adds=terms * (macs // weights),
    )


def shift_adds(format: Format) -> int:
    """Shifted additions that any weight of ``format`` can be multiplied with.

    One for each signed power of two; uniform weights are multiplied bit by bit, so one a bit.
    """
    return format.bits if isinstance(format, Uniform) else format.max_terms


def requant_terms(node: Node) -> int | None:
    """Most signed powers of two of a multiplier of ``node``; None where it has no multipliers."""
    return node.requant.terms if isinstance(node, Filters | Add | Concat | AvgPool) else None


def _bits(node: Filters) -> int:
    weights, format = int(node.weights.size), node.format
    if not isinstance(format, SignedBinary):
        return weights * format.code_bits
    channels = node.weights.shape[-1]
    regions = -(-channels // format.tile) if format.tile else 1
    return weights + node.filters * regions
