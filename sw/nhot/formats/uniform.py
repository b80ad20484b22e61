"""Uniform: the int-k baseline that every other format is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nhot.errors import NhotError
from nhot.formats.format import Format, Ints

__all__ = ["Uniform"]


@dataclass(frozen=True, kw_only=True)
class Uniform(Format):
    """All integers ``|v| <= 2**(bits-1) - 1``; the field is the two's complement.

    Parameters
    ----------
    bits : int
        Bits of a weight, 2 to 16.
    """

    bits: int

    def __post_init__(self) -> None:
        if not isinstance(self.bits, int):
            raise TypeError(f"Bits must be an integer, not {self.bits!r}")
        if not 2 <= self.bits <= 16:
            raise NhotError(f"Bits of a uniform format must be 2 to 16, not {self.bits}")

    @property
    def name(self) -> str:
        return f"int{self.bits}"

    @cached_property
    def levels(self) -> Ints:
        limit = 2 ** (self.bits - 1) - 1
        levels = np.arange(-limit, limit + 1, dtype=np.int64)
        levels.flags.writeable = False
        return levels

    @property
    def field_bits(self) -> int:
        return self.bits

    @cached_property
    def field_table(self) -> Ints:
        return np.asarray(self.levels & (2**self.bits - 1), dtype=np.int64)
