"""Signed-binary: {0, +1} or {0, -1}, by filter or by region of a filter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nhot.errors import NhotError
from nhot.formats.format import Format, Ints

__all__ = ["SignedBinary"]


@dataclass(frozen=True, kw_only=True)
class SignedBinary(Format):
    """One bit a weight and one sign a region. Source: PLUM, arXiv 2312.01581.

    Without ``tile`` a region is a filter. The levels are {0, 1}; the sign of a filter is folded
    into its requantisation, so that no subtractor is left in the array.

    With ``tile`` a region is that many input channels of a filter, at all places of its kernel.
    Its signs cannot be folded, and the levels are {-1, 0, 1}: binary in each region, ternary as a
    whole. A lane whose inputs are all of one region has one sign a step, which comes with the
    weights: a bit behind them, 1 for minus, and 0 where all of them are zero.

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
        return 1

    @cached_property
    def field_table(self) -> Ints:
        return np.array([0, 1], dtype=np.int64)

    @property
    def sign_codes(self) -> int:
        return 1 if self.tile else 0

    def fold_signs(self, weights: ArrayLike) -> tuple[Ints, Ints]:
        """Split weights (filters, ...) in {-1, 0, 1} into {0, 1} and a sign a filter.

        A filter with both +1 and -1, or with any other value, is refused by its index. Tiles keep
        their signs.
        """
        if self.tile:
            return super().fold_signs(weights)
        array = np.asarray(weights, dtype=np.int64)
        magnitudes = np.abs(array)
        self._indices(magnitudes)
        flat = array.reshape(array.shape[0], -1)
        mixed = _mixed(flat)
        if mixed.any():
            filter_index = int(np.argmax(mixed))
            raise NhotError(f"Filter {filter_index} of a signed-binary layer must have one sign")
        signs = np.where((flat < 0).any(axis=1), -1, 1).astype(np.int64)
        return magnitudes, signs

    def check_regions(self, weights: ArrayLike) -> None:
        """Refuse weights (filters, ..., channels) with a region of both signs, which is named."""
        array = np.asarray(weights, dtype=np.int64)
        filters, channels = array.shape[0], array.shape[-1]
        flat = array.reshape(filters, -1, channels)
        for start in range(0, channels if self.tile else 0, self.tile or 1):
            region = flat[:, :, start : start + self.tile].reshape(filters, -1)
            mixed = _mixed(region)
            if mixed.any():
                last = min(start + self.tile, channels) - 1
                raise NhotError(
                    f"Channels {start} to {last} of filter {int(np.argmax(mixed))} must have one "
                    f"sign in {self.name}"
                )

    def check_inputs(self, inputs: int) -> None:
        """Refuse lanes of so many inputs if a step may lie in more than one region."""
        if self.tile % inputs:
            raise NhotError(
                f"Inputs of a step must divide the {self.tile} channels of a region of "
                f"{self.name}, not be {inputs}"
            )

    def encode(self, levels: ArrayLike) -> Ints:
        """As :meth:`Format.encode`; steps of both signs are refused by their index."""
        if not self.tile:
            return super().encode(levels)
        array = self._indices(levels) - 1
        mixed = _mixed(array)
        if mixed.any():
            where = tuple(int(i) for i in np.argwhere(mixed)[0])
            raise NhotError(f"Weights of a step must have one sign in {self.name}, not both as at "
                            f"index {where}")
        negative = (array < 0).any(axis=-1, keepdims=True)
        return np.concatenate([np.abs(array), negative], axis=-1, dtype=np.int64)

    def decode(self, codes: ArrayLike) -> Ints:
        """As :meth:`Format.decode`; nothing but zeros with a minus is refused by its index."""
        if not self.tile:
            return super().decode(codes)
        array = self._check_codes(codes)
        gates, negative = array[..., :-1], array[..., -1]
        empty = (negative == 1) & ~gates.any(axis=-1)
        if empty.any():
            where = tuple(int(i) for i in np.argwhere(empty)[0])
            raise NhotError(f"Sign of {self.name} at index {where} must be 0 for weights of 0")
        return np.asarray(gates * (1 - 2 * negative[..., None]), dtype=np.int64)

    def inverted_terms(self, levels: ArrayLike) -> Ints:
        """1 for each step with a minus: its sum is inverted as a whole."""
        if not self.tile:
            return super().inverted_terms(levels)
        return self.encode(levels)[..., -1]


def _mixed(array: Ints) -> NDArray[np.bool_]:
    """Whether both signs are along the last axis."""
    return np.asarray((array > 0).any(axis=-1) & (array < 0).any(axis=-1))
