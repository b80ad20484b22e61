"""What is compared: a model, data, and formats."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from nhot import __version__
from nhot.errors import NhotError
from nhot.formats import parse
from nhot.trials import DataSpec, Original, Rounding

__all__ = ["OwnStudy", "format_names"]


def format_names(names: Sequence[str]) -> tuple[str, ...]:
    """The formats that ``names`` stand for, by the names that these have themselves.

    None, an unknown one, and one that is named twice are refused.
    """
    if not [name for name in names if name]:
        raise NhotError(f"Formats must be at least one, as 2hot,int8, not {','.join(names)!r}")
    found: dict[str, str] = {}
    for name in names:
        known = parse(name).name
        if known in found:
            also = "" if name == found[known] else f", which {found[known]!r} is, too"
            raise NhotError(f"Formats must be named once each, not {name!r} again{also}")
        found[known] = name
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class OwnStudy:
    """A model, the data that it is measured on, and how all its formats are rounded.

    Parameters
    ----------
    original : Original
    data : DataSpec
    bits, requant_terms, adaptive
        As of :class:`nhot.trials.Rounding`; the same in all formats.
    """

    original: Original
    data: DataSpec
    bits: int = 8
    requant_terms: int = 4
    adaptive: bool = False

    def rounding(self, format: str) -> Rounding:
        """How the trial of a format rounds."""
        return Rounding(format=format, bits=self.bits, requant_terms=self.requant_terms,
                        adaptive=self.adaptive, seed=self.original.seed)

    def identity(self) -> dict[str, str]:
        """What results follow from, besides the format: equal ones have equal results."""
        settings = asdict(self.rounding("int8"))
        del settings["format"]
        return {
            "version": __version__, "model": self.original.fingerprint(),
            "data": self.data.fingerprint(), **{key: str(value) for key, value in settings.items()},
        }


def digest(identity: dict[str, str], format: str) -> str:
    """SHA-256 of all that a trial follows from. 64 hex digits"""
    text = json.dumps({**identity, "format": format}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
