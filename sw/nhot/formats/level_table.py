"""Tables: a few levels of an n-hot format, chosen for the weights of one layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

import numpy as np

from nhot.errors import NhotError
from nhot.formats.format import Format, Ints
from nhot.formats.nhot import NHot

__all__ = ["OpenTable", "Table"]

CODES = (8, 16, 32)
"""Of a table: a sign, and one of half as many magnitudes."""

MOST_BITS = 8
"""Of the grid that levels are chosen from: all pairs of them are looked at."""


@dataclass(frozen=True, kw_only=True)
class Table(Format):
    """Zero and a few other levels of ``of``, each with both signs, that a table lists.

    A weight is a sign and the place of its magnitude in the table: four bits for eight magnitudes,
    of which zero needs no sign, so that 15 levels are left of 16 codes. A multiply costs no more
    than in ``of``. The name lists the magnitudes: ``2hot/0-1-3-6-12-24-48-96``.

    The field is what the table is read at: the place, and the sign above it.

    Parameters
    ----------
    of : NHot
    magnitudes : tuple of int
        4, 8 or 16 levels of ``of``, ascending from 0.
    """

    of: NHot
    magnitudes: tuple[int, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.magnitudes, tuple):
            raise TypeError(f"Magnitudes must be a tuple of integers, not {self.magnitudes!r}")
        _check_codes(self.of, 2 * len(self.magnitudes))
        if self.magnitudes[0] != 0 or (np.diff(self.magnitudes) <= 0).any():
            raise NhotError(f"Magnitudes of a table must ascend from 0, not be {self._listed}")
        for magnitude in self.magnitudes:
            if not self.of.contains(magnitude):
                raise NhotError(f"Magnitudes of a table must be levels of {self.of.name}, "
                                f"not {magnitude}")

    @property
    def name(self) -> str:
        return f"{self.of.name}/{self._listed}"

    @property
    def kind(self) -> str:
        return OpenTable(of=self.of, codes=2 * len(self.magnitudes)).name

    @property
    def _listed(self) -> str:
        return "-".join(map(str, self.magnitudes))

    @cached_property
    def levels(self) -> Ints:
        positive = np.array(self.magnitudes, dtype=np.int64)
        levels = np.concatenate([-positive[:0:-1], positive])
        levels.flags.writeable = False
        return levels

    @property
    def field_bits(self) -> int:
        return len(self.magnitudes).bit_length()

    @cached_property
    def field_table(self) -> Ints:
        places = np.arange(len(self.magnitudes), dtype=np.int64)
        return np.concatenate([places[:0:-1] + len(places), places])


@dataclass(frozen=True, kw_only=True)
class OpenTable(Format):
    """What is asked for: a :class:`Table` for each layer, fitted to its weights.

    It has no levels by itself, and no weights are of it. The name says how many codes there are:
    ``2hot/16``.

    Parameters
    ----------
    of : NHot
    codes : int
        8, 16 or 32; a magnitude for each two.
    """

    of: NHot
    codes: int

    def __post_init__(self) -> None:
        if not isinstance(self.codes, int):
            raise TypeError(f"Codes must be an integer, not {self.codes!r}")
        _check_codes(self.of, self.codes)

    @property
    def name(self) -> str:
        return f"{self.of.name}/{self.codes}"

    @property
    def levels(self) -> Ints:
        self._refuse()

    @property
    def field_bits(self) -> int:
        return (self.codes // 2).bit_length()

    @property
    def field_table(self) -> Ints:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise NhotError(f"Levels of {self.name} must be chosen for the weights of a layer first")


def _check_codes(of: NHot, codes: int) -> None:
    """Refuse a table that is no power of two, or that has more magnitudes than there are."""
    if of.bits > MOST_BITS:
        raise NhotError(f"Bits of the levels of a table must be at most {MOST_BITS}, "
                        f"not {of.bits}")
    if codes not in CODES:
        raise NhotError(f"Codes of a table must be one of {', '.join(map(str, CODES))}, "
                        f"not {codes}")
    most = int((of.levels >= 0).sum())
    if codes // 2 > most:
        raise NhotError(f"Magnitudes of a table must be at most the {most} of {of.name}, "
                        f"not {codes // 2}")
