"""Format names as users type them."""

from __future__ import annotations

import re

from nhot.errors import NhotError
from nhot.formats.format import Format
from nhot.formats.nhot import NHot
from nhot.formats.signed_binary import SignedBinary
from nhot.formats.uniform import Uniform

__all__ = ["parse"]

_KNOWN = "1hot, 2hot, ..., 2hot@6 (grid bits after @), ternary, signed-binary, int8, int4, ..."


def parse(name: str) -> Format:
    """The format that ``name`` stands for; the inverse of :attr:`Format.name`.

    Raises :class:`NhotError` with the known names when there is none.
    """
    if not isinstance(name, str):
        raise TypeError(f"Format must be a name, not {name!r}")
    if name == "ternary":
        return NHot(bits=2, n=1)
    if name == "signed-binary":
        return SignedBinary()
    if match := re.fullmatch(r"([1-9]\d?)hot(?:@([1-9]\d?))?", name, re.ASCII):
        return NHot(bits=int(match[2] or 8), n=int(match[1]))
    if match := re.fullmatch(r"int([1-9]\d?)", name, re.ASCII):
        return Uniform(bits=int(match[1]))
    raise NhotError(f"Format must be one of {_KNOWN}, not {name!r}")
