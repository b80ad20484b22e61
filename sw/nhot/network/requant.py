"""Requantisation: from an exact sum to the integers of the next tensor, without a multiplier."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.formats.terms import naf_weight

__all__ = ["LARGEST", "MAX_TERMS", "REQUANT_TERMS", "SCALES", "SHIFT", "Requant",
           "check_requant_terms", "sealed_integers", "short_sum"]

SHIFT = 24
"""The right shift of every requantisation: multipliers are integers on a grid of 2**-24."""

MAX_TERMS = 4
"""Signed powers of two in a multiplier: relative error at most 0.58 %, 0.08 % on average."""

REQUANT_TERMS = (1, 2, MAX_TERMS)
"""Most signed powers of two of a multiplier, to choose from."""

LARGEST = 1 << 31
"""The largest multiplier: its shifts fit five bits."""

SCALES = (2.0**-18, 2.0**7)
"""The least magnitude of a scale, and the one that all are below, as multipliers have it."""


def check_requant_terms(terms: int) -> None:
    """Refuse what is not in :data:`REQUANT_TERMS`."""
    if terms not in REQUANT_TERMS:
        *others, last = REQUANT_TERMS
        raise NhotError(
            f"Requantisation terms must be {', '.join(map(str, others))} or {last}, not {terms!r}"
        )


def short_sum(value: float, terms: int = MAX_TERMS) -> int:
    """The integer of at most ``terms`` signed powers of two that greedily approaches ``value``.

    It takes the nearest power of two of what is left, of two equally near ones the larger, and
    again. The result is the rounded value itself where that has few digits.
    """
    rest = round(value)
    result = 0
    for _ in range(terms):
        if rest == 0:
            break
        magnitude = abs(rest)
        power = 1 << (magnitude.bit_length() - 1)
        if 2 * magnitude >= 3 * power:  # nearer to the next power, or as near
            power *= 2
        step = power if rest > 0 else -power
        result += step
        rest -= step
    return result


def sealed_integers(values: ArrayLike, what: str) -> Ints:
    """A read-only copy in 64 bits; what is no integer, or does not fit, is refused as ``what``."""
    array = np.array(values)
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"{what} must be integers, not {array.dtype}")
    if array.dtype == np.uint64 and array.size and array.max() >> 63:
        raise NhotError(f"{what} must be below 2^63, not {array.max()}")
    integers: Ints = array.astype(np.int64)
    integers.flags.writeable = False
    return integers


@dataclass(frozen=True, kw_only=True, eq=False)
class Requant:
    """``y = clamp(zero_point + ((v * multiplier + 2**(SHIFT-1)) >> SHIFT), low, high)``.

    Rounding is half up, towards plus infinity (ONNX rounds half to even).

    Parameters
    ----------
    multiplier : (channels,) int64
        Output units per accumulator unit, times ``2**SHIFT``; each a sum of at most
        :data:`MAX_TERMS` signed powers of two. May be negative (a folded filter sign).
    zero_point : int
        The integer that stands for real zero in the output.
    low, high : int
        Clamp range, which is where ReLU and ReLU6 live.
    """

    multiplier: Ints
    zero_point: int
    low: int
    high: int

    def __post_init__(self) -> None:
        for what in ("zero_point", "low", "high"):
            object.__setattr__(self, what, index(getattr(self, what)))
        multiplier = sealed_integers(np.atleast_1d(self.multiplier), "Multipliers")
        object.__setattr__(self, "multiplier", multiplier)
        if self.multiplier.ndim != 1:
            raise NhotError(
                f"Multipliers must be one number a channel, not of shape {self.multiplier.shape}"
            )
        for channel, value in enumerate(multiplier.tolist()):
            if naf_weight(value) > MAX_TERMS:
                raise NhotError(
                    f"Multiplier of channel {channel} must be a sum of at most {MAX_TERMS} "
                    f"signed powers of two, not {value}"
                )
            if abs(value) > LARGEST:
                raise NhotError(
                    f"Multiplier of channel {channel} must be at most 2^31, not {value}"
                )
        if self.low > self.high:
            raise NhotError(f"Clamp range must not be empty, not {self.low} to {self.high}")

    @property
    def terms(self) -> int:
        """Most signed powers of two of a multiplier."""
        return max(map(naf_weight, self.multiplier.tolist()), default=0)

    @classmethod
    def from_scale(
        cls, scale: ArrayLike, *, zero_point: int, low: int, high: int, terms: int = MAX_TERMS
    ) -> Requant:
        """Round real scales (output units per accumulator unit), one a channel, to short sums.

        A scale too small to keep its precision on the grid, or too large for it, is refused.
        """
        scales = np.atleast_1d(np.asarray(scale, dtype=np.float64))
        least, beyond = SCALES
        for channel, value in enumerate(scales):
            if not np.isfinite(value) or (value != 0 and not least <= abs(value) < beyond):
                raise NhotError(
                    f"Scale of channel {channel} must be 0 or between 2^-18 and 2^7, "
                    f"not {float(value)!r}"
                )
        multiplier = [short_sum(float(value) * 2**SHIFT, terms) for value in scales]
        return cls(
            multiplier=np.array(multiplier, np.int64), zero_point=zero_point, low=low, high=high
        )

    def compute(self, values: ArrayLike) -> Ints:
        """Requantise ``values`` (..., channels); the definition of every output integer."""
        products = np.asarray(values, dtype=np.int64) * self.multiplier
        return self.finish(products)

    def finish(self, products: NDArray[np.int64]) -> Ints:
        """Round, shift, add the zero point and clamp values already on the ``2**-SHIFT`` grid."""
        result: Ints = products + (1 << (SHIFT - 1))
        result >>= SHIFT
        result += self.zero_point
        return np.clip(result, self.low, self.high, out=result)
