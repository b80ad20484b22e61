"""Faults that change nothing, each with its reason, in ``explained.toml``.

An entry is found by file, function, source line and change, so that it outlives edits elsewhere.
One that no longer matches is an error: the code has changed, and the reason with it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from nhot.errors import NhotError
from nhot_tools.mutants.mutant import Mutant
from nhot_tools.tree import ROOT

__all__ = ["EXPLAINED", "read_explained", "stale"]

EXPLAINED = Path(__file__).parent / "explained.toml"
_FIELDS = {"file", "function", "line", "change", "reason"}


def read_explained(path: Path = EXPLAINED) -> dict[str, str]:
    """The reason by the key of each fault."""
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    reasons: dict[str, str] = {}
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("fault", []):
        if set(entry) != _FIELDS:
            raise NhotError(
                f"Entry of {name} must have {', '.join(sorted(_FIELDS))}, "
                f"not {', '.join(sorted(entry))}"
            )
        key = "|".join((entry["file"], entry["function"], entry["line"], entry["change"]))
        if key in reasons:
            raise NhotError(f"Entry of {name} must be there once, not twice: {key}")
        reasons[key] = entry["reason"]
    return reasons


def stale(reasons: dict[str, str], mutants: list[Mutant]) -> list[str]:
    """Keys that no fault of ``mutants``, which are all of the files named, has."""
    return sorted(reasons.keys() - {mutant.key for mutant in mutants})
