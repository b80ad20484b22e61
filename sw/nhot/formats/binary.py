"""Binary: every weight is +1 or -1, none is zero."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from nhot.formats.format import Format, Ints

__all__ = ["Binary"]


@dataclass(frozen=True, kw_only=True)
class Binary(Format):
    """The levels -1 and +1; real zero is rounded to +1. The field is the sign bit.

    With no zero among its levels every input of a step counts: engines refuse layers whose weights
    do not fill steps, unless what is left over is always 0. Ternary lanes, whose levels include
    these, take all layers.
    """

    @property
    def name(self) -> str:
        return "binary"

    @cached_property
    def levels(self) -> Ints:
        levels = np.array([-1, 1], dtype=np.int64)
        levels.flags.writeable = False
        return levels

    @property
    def field_bits(self) -> int:
        return 1

    @cached_property
    def field_table(self) -> Ints:
        return np.array([1, 0], dtype=np.int64)

    def inverted_terms(self, levels: ArrayLike) -> Ints:
        """1 for each minus; a 0 that stands for no weight has none."""
        return np.asarray((np.asarray(levels) < 0).sum(axis=-1), dtype=np.int64)
