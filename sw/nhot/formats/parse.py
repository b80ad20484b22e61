"""Format names as users type them."""

from __future__ import annotations

import re
from functools import lru_cache

from nhot.errors import NhotError
from nhot.formats.additive import AdditivePowers
from nhot.formats.binary import Binary
from nhot.formats.format import Format
from nhot.formats.level_table import OpenTable, Table
from nhot.formats.nhot import NHot
from nhot.formats.signed_binary import SignedBinary
from nhot.formats.uniform import Uniform
from nhot.printable import shortened

__all__ = ["parse"]

_KNOWN = (
    "1hot, 2hot, ..., 2hot@6 (grid bits after @), 2hot+ (never subtracted), 2hot/16 "
    "(codes of a table for each layer after /), ternary, binary, signed-binary, signed-binary/16 "
    "(channels of a region after /), int8, int4, ..., pot4, apot4"
)


def parse(name: str) -> Format:
    """The format that ``name`` stands for; the inverse of :attr:`Format.name`.

    ``pot4``, powers of two in four bits, is 1-hot on a grid of ``2**3`` bits and gives just that.

    Raises :class:`NhotError` with the known names when there is none.
    """
    if not isinstance(name, str):
        raise TypeError(f"Format must be a name, not {name!r}")
    return _parse(name)


@lru_cache(maxsize=256)  # a network has the same few formats again and again, each with its tables
def _parse(name: str) -> Format:
    if name == "ternary":
        return NHot(bits=2, n=1)
    if name == "binary":
        return Binary()
    if match := re.fullmatch(r"signed-binary(?:/([1-9]\d{0,4}))?", name, re.ASCII):
        return SignedBinary(tile=int(match[1] or 0))
    if match := re.fullmatch(r"([1-9]\d?)hot(\+?)(?:@([1-9]\d?))?(?:/(.+))?", name, re.ASCII):
        n_hot = NHot(bits=int(match[3] or 8), n=int(match[1]), subtract=not match[2])
        return _table(n_hot, match[4], name) if match[4] else n_hot
    if match := re.fullmatch(r"pot([2-5])", name, re.ASCII):
        return NHot(bits=2 ** (int(match[1]) - 1), n=1)
    if match := re.fullmatch(r"apot([1-9]\d?)", name, re.ASCII):
        return AdditivePowers(bits=int(match[1]))
    if match := re.fullmatch(r"int([1-9]\d?)", name, re.ASCII):
        return Uniform(bits=int(match[1]))
    raise _unknown(name)


def _table(of: NHot, text: str, name: str) -> Format:
    """The table of levels of ``of`` that ``text`` says: its codes, or all its magnitudes."""
    if re.fullmatch(r"[1-9]\d?", text, re.ASCII):
        return OpenTable(of=of, codes=int(text))
    if re.fullmatch(r"0(-[1-9]\d{0,4})+", text, re.ASCII):
        return Table(of=of, magnitudes=tuple(map(int, text.split("-"))))
    raise _unknown(name)


def _unknown(name: str) -> NhotError:
    return NhotError(f"Format must be one of {_KNOWN}, not {shortened(name)}")
