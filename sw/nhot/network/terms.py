"""Activations as short sums of signed powers of two."""

from __future__ import annotations

from functools import cache

import numpy as np

from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.formats.terms import naf_weight
from nhot.network.tensor import Tensor

__all__ = ["MOST", "check_terms", "rounded_bytes", "terms_table"]

MOST = 8
"""Terms beyond which there is nothing to round: no activation needs more than five."""


def check_terms(n: int) -> None:
    """Refuse a number of terms that rounds nothing, or everything away."""
    if not 1 <= n <= MOST:
        raise NhotError(f"Terms of an activation must be 1 to {MOST}, not {n}")


def terms_table(tensor: Tensor, n: int) -> Ints:
    """What each integer of ``tensor`` becomes, from the lowest on. (2**bits,) int64, read-only

    Less the zero point it is the nearest sum of at most ``n`` signed powers of two that the tensor
    can hold; of two equally near ones that nearer to zero. Source: n-hot, arXiv 2103.11704, which
    rounds weights or activations.
    """
    check_terms(n)
    return _table(tensor.low, tensor.high, tensor.zero_point, n)


def rounded_bytes(values: Ints, zero_point: int, n: int) -> Ints:
    """What an engine makes of stored values: each less the zero point rounded to ``n`` terms.

    The nearest sum of magnitude at most 255: what :func:`terms_table` has, where values are clamped
    to the ends of its sums. ``n`` = 0 rounds nothing.
    """
    if not n:
        return values
    distance = np.asarray(values, np.int64) - zero_point
    return zero_point + np.sign(distance) * _table(0, 255, 0, n)[np.abs(distance)]


@cache
def _table(low: int, high: int, zero_point: int, n: int) -> Ints:
    values = np.arange(low, high + 1) - zero_point
    sums = values[[naf_weight(value) <= n for value in values.tolist()]]
    sums = sums[np.argsort(np.abs(sums), kind="stable")]  # the first of equals is nearest to zero
    nearest = sums[np.abs(values[:, None] - sums).argmin(axis=1)]
    table: Ints = (nearest + zero_point).astype(np.int64)
    table.flags.writeable = False
    return table
