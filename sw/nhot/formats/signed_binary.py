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
    """One bit a weight and one sign a region. Source: PLUM, arXiv 2312.01581.

    Without ``tile`` a region is a filter. The levels are {0, 1}; the sign of a filter is folded
    into its requantisation, so that no subtractor is left in the array.

    With ``tile`` a region is that many input channels of a filter. Its signs cannot be folded, and
    the levels are {-1, 0, 1}: binary in each region, ternary as a whole. Engines run it with
    ternary lanes.

    Parameters
    ----------
    tile : int
        Input channels of a region, or 0 where a region is a filter.
    """

    tile: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.tile, int):
            raise TypeError(f"Tile must be an integer, not {self.tile!r}")
        if self.tile < 0:
            raise NhotError(f"Tile of signed-binary must be 0 (none) or more, not {self.tile}")

    @property
    def name(self) -> str:
        return f"signed-binary/{self.tile}" if self.tile else "signed-binary"

    @cached_property
    def levels(self) -> Ints:
        levels = np.array([-1, 0, 1] if self.tile else [0, 1], dtype=np.int64)
        levels.flags.writeable = False
        return levels

    @property
    def field_bits(self) -> int:
        return 2 if self.tile else 1

    @cached_property
    def field_table(self) -> Ints:
        return np.asarray(self.levels & ((1 << self.field_bits) - 1), dtype=np.int64)

    def fold_signs(self, weights: ArrayLike) -> tuple[Ints, Ints]:
        """Split weights (filters, ...) in {-1, 0, 1} into {0, 1} and a sign a filter.

        A filter with both +1 and -1, or with any other value, is refused by its index. Tiles keep
        their signs.
        """
        if self.tile:
            return super().fold_signs(weights)
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
