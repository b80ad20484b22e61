"""Which module of a design takes how much, by the names that synthesis gives to cells."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from nhot.errors import BuildError
from nhot_hw.build.reports import read_report
from nhot_hw.families import OpenFamily

__all__ = ["Share", "read_modules"]

_DEPTH = 3  # of the names: behind the top, the engine and its link, their parts
_COPIES = re.compile(r"(_\d+|\$\d+)+$")  # lanes and requantisers are one module


@dataclass(frozen=True, kw_only=True)
class Share:
    """What a module takes, all its copies together.

    Parameters
    ----------
    module : str
        Its place in the design, such as ``engine.engine.array``.
    cells : dict
        By what users call them (lut4, ff, bram). Synthesis counts them, before place and route puts
        some through others or together, so that sums are nearly those of the manifest.
    """

    module: str
    cells: dict[str, int]


def read_modules(netlist: Path, family: OpenFamily, top: str) -> list[Share]:
    """The modules of a netlist in Yosys' JSON, the largest first.

    Synthesis flattens a design, and names its cells by where they come from.
    """
    try:
        cells = read_report(netlist)["modules"][top]["cells"]
        found = [(name, cell["type"]) for name, cell in cells.items()]
    except (KeyError, TypeError, AttributeError):
        raise BuildError(f"Netlist {str(netlist)!r} must have the cells of {top!r}") from None
    scopes = {name for name, kind in found if kind == "$scopeinfo"}
    shares: dict[str, Counter[str]] = defaultdict(Counter)
    for name, kind in found:
        for what, weights in family.cells.items():
            # The longest of those that it begins with: LUT4, not LUT.
            begin = max((one for one in weights if kind.startswith(one)), key=len, default="")
            if begin and weights[begin]:
                shares[_module(name, scopes)][what] += weights[begin]
    made = [Share(module=module, cells={what: each[what] for what in family.cells})
            for module, each in shares.items()]
    return sorted(made, key=lambda share: (*(-count for count in share.cells.values()),
                                           share.module))


def _module(name: str, scopes: set[str]) -> str:
    """The scope that a cell is in, no deeper than shown."""
    parts = name.split(".")
    inside = next((length for length in range(min(len(parts) - 1, _DEPTH), 0, -1)
                   if ".".join(parts[:length]) in scopes), 0)
    return ".".join(_COPIES.sub("", part) for part in parts[:inside]) or "top"
