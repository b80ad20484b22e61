"""Signed-binary: {0, +1} for some filters, {0, -1} for the others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from nhot.errors import NhotError
from nhot.formats.format import Format, Ints

__all__ = ["SignedBinary"]


@dataclass(frozen=True, kw_only=True)
class SignedBinary(Format):
    """One bit a weight and one sign a filter. Source: PLUM, arXiv 2312.01581.

    The levels are {0, 1}; the sign of a filter is folded into its requantisation, so that no
    subtractor is left in the array.
    """

    @property
    def name(self) -> str:
        return "signed-binary"

    @cached_property
    def levels(self) -> Ints:
        levels = np.array([0, 1], dtype=np.int64)
        levels.flags.writeable = False
        return levels

    @property
    def field_bits(self) -> int:
        return 1

    @cached_property
    def field_table(self) -> Ints:
        return self.levels

    def fold_signs(self, weights: ArrayLike) -> tuple[Ints, Ints]:
        """Split weights (filters, ...) in {-1, 0, 1} into {0, 1} and a sign a filter.

        A filter with both +1 and -1, or with any other value, is refused by its index.
        """
        array = np.asarray(weights, dtype=np.int64)
        flat = array.reshape(array.shape[0], -1)
        magnitudes = np.abs(array)
        self._indices(magnitudes)
        mixed = (flat > 0).any(axis=1) & (flat < 0).any(axis=1)
        if mixed.any():
            filter_index = int(np.argmax(mixed))
            raise NhotError(f"Filter {filter_index} of a signed-binary layer must have one sign")
        signs = np.where((flat < 0).any(axis=1), -1, 1).astype(np.int64)
        return magnitudes, signs
