"""The files that faults are planted in: what numbers depend on, and what checks them."""

from __future__ import annotations

from nhot.errors import NhotError
from nhot_tools.mutants.mutant import Mutant, find_mutants
from nhot_tools.tree import ROOT

__all__ = ["SCOPE", "mutants_in", "sources"]

SCOPE = (
    "hw/nhot_hw/lanes", "hw/nhot_hw/engine", "hw/nhot_hw/io", "hw/nhot_hw/buses",
    "sw/nhot/formats", "sw/nhot/network", "sw/nhot/contract", "sw/nhot/compiler",
    "sw/nhot/device",
    "sw/nhot/quant/activations.py", "sw/nhot/quant/exact.py", "sw/nhot/quant/layers",
    "sw/nhot/quant/loading.py", "sw/nhot/quant/model.py", "sw/nhot/quant/quantize.py",
    "sw/nhot/quant/state_dicts.py", "sw/nhot/quant/tracing", "sw/nhot/quant/weights",
    "sw/nhot/quant/weights_file.py",
    "sim/nhot_sim/board_model.py", "sim/nhot_sim/bus_engine.py", "sim/nhot_sim/chain.py",
    "sim/nhot_sim/engine_simulation.py", "sim/nhot_sim/streams.py", "sim/nhot_sim/benches",
)


def sources(names: list[str], paths: list[str]) -> list[str]:
    """Python files of ``names`` that begin with one of ``paths``, or are in scope without any.

    Raises :class:`NhotError` for a path that names no source.
    """
    found: set[str] = set()
    for path in paths or SCOPE:
        wanted = path.removeprefix("./").rstrip("/")
        matching = {name for name in names if name.endswith(".py") and name.startswith(wanted)}
        if not matching and paths:
            raise NhotError(f"Path must be that of a Python file in the repository, not {path!r}")
        found |= matching
    return sorted(found)


def mutants_in(names: list[str]) -> list[Mutant]:
    """All faults of the files, in order."""
    return [mutant for name in names for mutant in find_mutants(name, (ROOT / name).read_bytes())]
