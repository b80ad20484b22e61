"""What the tools report about a design: cells by type, resources used, clock frequencies."""

from pathlib import Path
from typing import Any

from nhot.bitstream import Clock, Resource
from nhot.errors import BuildError, NhotError
from nhot.schema import read_json

__all__ = ["read_cells", "read_clocks", "read_report", "read_resources"]


def read_report(path: Path) -> dict[str, Any]:
    """The object in a JSON report; one that is missing or broken is a :class:`BuildError`."""
    try:
        return read_json(dict[str, Any], path, "Report", unknown="ignore")
    except NhotError as error:
        raise BuildError(str(error)) from None


def read_cells(report: dict[str, Any], module: str) -> dict[str, int]:
    r"""Cells by type of one module, from Yosys' ``stat -json``; names there start with ``\``."""
    modules = report.get("modules", {})
    found = modules.get("\\" + module, modules.get(module))
    if found is None:
        raise BuildError(f"Synthesis report must have the module {module!r}, not {list(modules)}")
    # Cells that start with $ are the tool's own notes, such as where a scope was.
    return {
        name.lstrip("\\"): count for name, count in sorted(found["num_cells_by_type"].items())
        if not name.startswith("$")
    }


def read_resources(report: dict[str, Any]) -> dict[str, Resource]:
    """Cells by type of the part, from nextpnr's ``--report``."""
    table = _section(report, "utilization")
    return {
        name: Resource(used=int(row["used"]), available=int(row["available"]))
        for name, row in sorted(table.items())
    }


def read_clocks(report: dict[str, Any], *, headroom: float = 1) -> dict[str, Clock]:
    """Clocks by net name, from nextpnr's ``--report``.

    ``headroom`` is how many times as fast as a clock has to be nextpnr was asked to make it.
    """
    table = _section(report, "fmax")
    return {
        name: Clock(
            fmax_mhz=round(float(row["achieved"]), 2),
            target_mhz=round(float(row["constraint"]) / headroom, 4),
        )
        for name, row in sorted(table.items())
    }


def _section(report: dict[str, Any], name: str) -> dict[str, Any]:
    table = report.get(name)
    if not isinstance(table, dict):
        raise BuildError(f"Place-and-route report must have a section {name!r}")
    return table
