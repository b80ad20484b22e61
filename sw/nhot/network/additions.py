"""Additions that the sums of a layer take, when zeros are left out and what repeats is added once.

A weight matrix with few values repeats itself. Filters that read the same inputs are taken a few at
a time; the inputs at which all of these have the same weights, or the opposite ones, are added up
once, and each filter adds such sums instead of inputs. That is the factorised form of UCNN (Hegde
and others, ISCA 2018), which SumMerge (Prabhakar and others, ICS 2021) goes on from. What it takes
to find the inputs in their new order is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from nhot.formats import Format
from nhot.formats.format import Ints
from nhot.formats.terms import naf_weight
from nhot.network.network import Network
from nhot.network.operators import Convolution, Filters

__all__ = [
    "CANDIDATES", "TOGETHER", "Additions", "additions", "groups", "layer_additions",
    "network_additions",
]

TOGETHER = 8
"""The most filters that are tried together: patterns of more of them hardly repeat."""

CANDIDATES = 32
"""Filters of which the next one of a group is chosen."""


@dataclass(frozen=True, kw_only=True)
class Additions:
    """Additions, shifted ones too, for one sum of each filter; a difference counts as one.

    Parameters
    ----------
    sums : int
        Sums that are made, one a filter.
    dense : int
        Each weight takes the most terms of any.
    sparse : int
        Each weight takes its own terms, zero none.
    shared : int
        Inputs with the same weights in several filters are added up once, as many filters together
        as is best.
    subset : int
        The same for weights of two opposite values as ``2 * b - 1``: twice the sum of a subset,
        less the sum of all, which filters share; 0 for other weights.
    """

    sums: int = 0
    dense: int = 0
    sparse: int = 0
    shared: int = 0
    subset: int = 0

    def __add__(self, other: Additions) -> Additions:
        return Additions(**{
            field.name: getattr(self, field.name) + getattr(other, field.name)
            for field in fields(self)
        })

    def __mul__(self, times: int) -> Additions:
        return Additions(**{
            field.name: getattr(self, field.name) * times for field in fields(self)
        })


def network_additions(network: Network, format: Format) -> Additions:
    """The additions of an inference in the layers whose weights are of the kind of ``format``.

    Filters of one weight, which are gains of channels, have no sums, and are left out.
    """
    total = Additions()
    for node in network.nodes:
        if not isinstance(node, Filters) or node.weights[0].size == 1:
            continue
        if node.format.kind == format.kind:
            # Every weight is used at as many places as any other.
            places = node.macs(*network.inputs(node)) // int(node.weights.size)
            total += layer_additions(node) * places
    return total


def layer_additions(node: Filters) -> Additions:
    """The additions of one sum of each filter of a layer."""
    parts = node.groups if isinstance(node, Convolution) else 1
    matrices = np.split(node.weights.reshape(node.filters, -1), parts)
    return sum((additions(matrix) for matrix in matrices), Additions())


def additions(weights: ArrayLike, together: int = TOGETHER) -> Additions:
    """The additions of ``weights`` (filters, inputs), integers, for one sum of each filter.

    ``together`` is the most filters that are tried together.
    """
    matrix = np.asarray(weights, np.int64)
    terms = _terms(matrix)
    filters, inputs = matrix.shape
    subset = 0
    if (abs(matrix) == abs(matrix).max()).all() and matrix.any():
        subset = _least(matrix > 0, together) + inputs - 1 + filters
    return Additions(
        sums=filters, dense=filters * (inputs * max(int(terms.max()), 1) - 1),
        sparse=_sums(terms), shared=_least(matrix, together), subset=subset,
    )


def groups(weights: Ints, size: int) -> list[list[int]]:
    """Rows of ``weights`` (filters, inputs), ``size`` together, chosen for one another.

    The next one of a group is that which splits its patterns least.
    """
    left, found = list(range(len(weights))), []
    while left:
        group, patterns = [left.pop(0)], _Patterns(weights.shape[1])
        patterns.split(weights[group[0]])
        while left and len(group) < size:
            chosen = min(left[:CANDIDATES], key=lambda row: patterns.count(weights[row]))
            patterns.split(weights[chosen])
            left.remove(chosen)
            group.append(chosen)
        found.append(group)
    return found


def _least(weights: ArrayLike, together: int) -> int:
    """Additions with as many filters together as is best."""
    matrix = np.asarray(weights, np.int64)
    sizes = range(1, min(together, len(matrix)) + 1)
    return min(
        sum(_shared(matrix[group]) for group in groups(matrix, size)) for size in sizes
    )


def _shared(weights: Ints) -> int:
    """Additions of filters that share the sums of the inputs which are alike to all of them."""
    patterns = _Patterns(weights.shape[1])
    for row in weights:
        patterns.split(row)
    _, first = np.unique(patterns.number, return_index=True)
    columns = weights[:, first]  # one of each pattern
    inputs, made = (int(one.any(axis=0).sum()) for one in (weights, columns))
    return inputs - made + _sums(_terms(columns))


def _sums(terms: Ints) -> int:
    """Additions of so many terms (sums, terms): one less than there are in a sum."""
    return int(np.maximum(terms.sum(axis=1) - 1, 0).sum())


class _Patterns:
    """Inputs by the weights that some filters have for them, the sign of all left out."""

    def __init__(self, inputs: int):
        self.number = np.zeros(inputs, np.int64)
        self.sign = np.zeros(inputs, np.int64)

    def split(self, row: Ints) -> None:
        """Take one more filter in."""
        self.sign = self._signs(row)
        _, self.number = np.unique(self._split(row), return_inverse=True)

    def count(self, row: Ints) -> int:
        """How many patterns there would be with one more filter."""
        return len(np.unique(self._split(row)))

    def _split(self, row: Ints) -> Ints:
        levels = row * self._signs(row)
        return self.number * (2 * int(abs(row).max()) + 1) + levels

    def _signs(self, row: Ints) -> Ints:
        return np.where(self.sign == 0, np.sign(row), self.sign)


def _terms(weights: Ints) -> Ints:
    """Signed powers of two of each weight."""
    values, place = np.unique(weights, return_inverse=True)
    counts = np.array([naf_weight(int(value)) for value in values], np.int64)
    return counts[place].reshape(weights.shape)
