"""Bits of the engine's Verilog that change both ways while networks run on the virtual board.

Verilator counts the rises and falls of each bit. Counted here are the signals that the sources
name; the temporaries of the Verilog back end are parts of expressions whose results have names.
"""

from __future__ import annotations

import re
import tempfile
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from nhot.cli.output import print_table

__all__ = ["LEFT_OUT", "Toggles", "measure_toggles", "print_toggles", "read_toggles"]

LEFT_OUT = {
    r"rst$": "a board is never reset, it is configured",
    r"reserved": "bits of a word that have no meaning",
    r"(read__en|ready)$": "held high, where nothing has to wait",
    r"phase(\[\d+\])?$": "of serial lanes alone",
    r"(cycles|stalls|timing.*)\[(2[2-9]|3\d)\]": "counts of 32 bits, as hours would fill them",
}
"""Signals that no run of seconds could change, and why; :mod:`constant` has those of any run."""

_POINT = re.compile(r"C '(.*)' (\d+)$")
_BIT = re.compile(r"(.*?)(\[\d+\])?:([01]->[01])$")


@dataclass(frozen=True, kw_only=True)
class Toggles:
    """One module's named signals.

    Attributes
    ----------
    module : str
        Path in the hierarchy.
    total : int
        Rises and falls that there could be.
    missing : dict
        Bits without one of them, by signal.
    """

    module: str
    total: int
    missing: dict[str, list[str]]

    @property
    def seen(self) -> int:
        """How many there were."""
        return self.total - sum(map(len, self.missing.values()))


def measure_toggles(seeds: int) -> list[Toggles]:
    """Run ``seeds`` networks on an engine of each kind; every output must be the reference's."""
    from nhot.progress import track
    from nhot_tools.coverage.constant import constant_bits
    from nhot_tools.coverage.workload import CONFIG, exercise

    with tempfile.TemporaryDirectory(prefix="nhot-") as folder:
        path = Path(folder, "toggles.dat")
        exercise(path, track(range(seeds), "running networks", unit="networks"))
        text = path.read_text(errors="replace", encoding="utf-8")
        return read_toggles(text, constant_bits(CONFIG))


def read_toggles(text: str, constant: Collection[str] = ()) -> list[Toggles]:
    """The modules in a file that Verilator wrote, without bits whose names end as ``constant``."""
    constant = tuple(constant)
    totals: dict[str, int] = defaultdict(int)
    missing: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for line in text.splitlines():
        point = _POINT.match(line)
        if point is None:
            continue
        fields = dict(part.split("\x02", 1) for part in point[1].split("\x01") if part)
        name = _plain(fields["o"])
        bit = _BIT.match(name)
        if bit is None or "$" in bit[1]:
            continue
        module = fields["h"].removeprefix("TOP.board.")
        place = f"{module}.{name.rpartition(':')[0]}"
        if place.endswith(constant) or any(re.search(one, place) for one in LEFT_OUT):
            continue
        totals[module] += 1
        if point[2] == "0":
            missing[module][bit[1]].append(f"{bit[2] or ''} {bit[3]}".strip())
    return [
        Toggles(module=module, total=totals[module], missing=dict(missing[module]))
        for module in sorted(totals)
    ]


def print_toggles(found: list[Toggles]) -> None:
    """What never changed, module by module, then the shares."""
    for one in found:
        for signal, bits in one.missing.items():
            print(f"{one.module}.{signal}: {', '.join(bits)}")
    rows = [(one.module, f"{100 * one.seen / one.total:.2f} % of {one.total:,}") for one in found]
    total, seen = sum(one.total for one in found), sum(one.seen for one in found)
    rows.append(("all", f"{100 * seen / max(total, 1):.2f} % of {total:,}"))
    print_table(("module", "toggles"), rows, ("toggles",))


def _plain(name: str) -> str:
    """A signal's name as the source has it, without Verilator's escapes."""
    return re.sub(r"__0([0-9A-Fa-f]{2})", lambda code: chr(int(code[1], 16)), name).replace(
        "___05F", "__")
