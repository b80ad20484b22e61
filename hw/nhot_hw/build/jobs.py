"""The jobs of a sweep that build: kinds of :mod:`nhot.explore`, found by their entry points."""

from pathlib import Path
from typing import Any

from nhot.bitstream import Manifest
from nhot.compiler.targets import Target, board
from nhot.contract.config import EngineConfig
from nhot.errors import NhotError
from nhot_hw.build.entries import MANIFEST, pack
from nhot_hw.build.plan import BuildPlan, plan_build
from nhot_hw.build.seeds import place_seeds
from nhot_hw.build.tools import MisfitError
from nhot_hw.families import FAMILIES

__all__ = ["clock", "placement", "reachable_clock", "synthesis"]

_TRIES = 3
"""Clocks that a placement is tried for."""

_SEED = 1
"""As nhot build has it."""


def reachable_clock(board_name: str, fmax_mhz: float) -> int:
    """The highest clock in whole MHz, of which the baud rate is a part, that a PLL can make, in Hz.

    Raises
    ------
    NhotError
        There is none up to ``fmax_mhz``.
    """
    known = board(board_name)
    find_dividers = FAMILIES[known.family].find_dividers
    for mhz in range(int(fmax_mhz), 0, -1):
        try:
            if mhz * 10**6 != known.input_hz:
                find_dividers(known.input_hz, mhz * 10**6)
        except NhotError:
            continue
        return mhz * 10**6
    raise NhotError(f"Clock of {board_name} must be one that its PLL can make, and there is none "
                    f"up to {fmax_mhz:g} MHz")


def clock(parameters: dict[str, Any], inputs: dict[str, str], folder: Path) -> dict[str, Any]:
    """The clock for an engine that is so fast."""
    return {"clock_hz": reachable_clock(parameters["board"], parameters["fmax_mhz"])}


def synthesis(parameters: dict[str, Any], inputs: dict[str, str], folder: Path) -> dict[str, Any]:
    """What an engine takes of its part, packed; more than there is is no result."""
    used = pack(_plan(parameters, parameters["fmax_mhz"]))
    for name, resource in used.items():
        if resource.used > resource.available:
            raise NhotError(f"{parameters['board']} has too few {name} ({resource.available:,})")
    return {"luts": used["lut4"].used, "block_memories": used["bram"].used}


def placement(parameters: dict[str, Any], inputs: dict[str, str], folder: Path) -> dict[str, Any]:
    """An engine at a clock that it keeps up with: that of its estimate, or else a lower one."""
    fmax_mhz = parameters["fmax_mhz"]
    for _ in range(_TRIES):
        plan = _plan(parameters, fmax_mhz)
        try:
            entry = place_seeds(plan, [_SEED], jobs=1)[_SEED]
        except MisfitError as error:
            raise NhotError(str(error)) from None  # of any seed, at any time
        assert entry is not None
        manifest = Manifest.read(entry / MANIFEST)
        if all(one.margin >= 0 for one in manifest.clocks.values()):
            (folder / MANIFEST).write_bytes((entry / MANIFEST).read_bytes())
            return {
                "luts": manifest.resources["lut4"].used, "clock_hz": manifest.clock_hz,
                "block_memories": manifest.resources["bram"].used,
                "fmax_mhz": manifest.engine_clock.fmax_mhz,
            }
        fmax_mhz = min(manifest.engine_clock.fmax_mhz, manifest.clock_hz / 1e6 - 1)
    raise NhotError(f"No clock was met on {parameters['board']}, {manifest.clock_hz / 1e6:g} MHz "
                    "the last that was tried")


def _plan(parameters: dict[str, Any], fmax_mhz: float) -> BuildPlan:
    """As nhot build would make it, so that what it finds in its cache is this."""
    name = parameters["board"]
    return plan_build(Target(
        board=name, configuration="explored", config=EngineConfig(**parameters["config"]),
        clock_hz=reachable_clock(name, fmax_mhz),
    ), seed=_SEED)
