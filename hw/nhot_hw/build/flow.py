"""Build a bitstream, or take it from the cache."""

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nhot.bitstream import Manifest, Resource
from nhot.compiler.targets import Target
from nhot.errors import BuildError
from nhot.files import write_atomically
from nhot_hw.build.plan import NAME, BuildPlan, plan_build
from nhot_hw.build.reports import (
    read_cells,
    read_clocks,
    read_report,
    read_resources,
)
from nhot_hw.build.tools import run_tool
from nhot_hw.cache import cache_folder

__all__ = ["Built", "build", "build_plan"]

_log = logging.getLogger("nhot.build")

# What users call a resource, and what nextpnr calls it.
_RESOURCES = {
    "ecp5": {"lut4": "TRELLIS_COMB", "ff": "TRELLIS_FF", "bram": "DP16KD", "dsp": "MULT18X18D",
             "pll": "EHXPLLL"},
    "ice40": {"lut4": "ICESTORM_LC", "bram": "ICESTORM_RAM", "spram": "ICESTORM_SPRAM",
              "dsp": "ICESTORM_DSP", "pll": "ICESTORM_PLL"},
}
_NETLIST = f"{NAME}.json"


@dataclass(frozen=True, kw_only=True)
class Built:
    """A bitstream on disk.

    Parameters
    ----------
    bitstream, manifest_path : Path
    manifest : Manifest
    logs : Path
        Folder with what the tools said.
    """

    bitstream: Path
    manifest_path: Path
    manifest: Manifest
    logs: Path


def build(
    target: Target, folder: Path, *, seed: int = 1, allow_timing_failure: bool = False
) -> Built:
    """Make ``folder/<board>/<configuration>/top.bit`` (iCE40: ``top.bin``) and its manifest.

    Minutes of work, all of it kept in the cache folder under a hash of its inputs; a build that
    was interrupted goes on after its last finished step.

    Raises
    ------
    MissingToolError
        A tool is not installed.
    BuildError
        A tool failed, the design does not fit, or it misses its clock, unless
        ``allow_timing_failure``.
    """
    plan = plan_build(target, seed=seed)
    return build_plan(plan, folder, allow_timing_failure=allow_timing_failure)


def build_plan(plan: BuildPlan, folder: Path, *, allow_timing_failure: bool = False) -> Built:
    """As :func:`build`, from a plan."""
    entry = cache_folder("bitstreams") / plan.digest[:32]
    kept = entry / "manifest.json"
    if not entry.exists():
        _make(plan, entry)
    manifest = Manifest.read(kept)
    _check_timing(manifest, entry, allow=allow_timing_failure)
    place = folder / plan.target.board / plan.target.configuration
    place.mkdir(parents=True, exist_ok=True)
    write_atomically(place / plan.product, (entry / plan.product).read_bytes())
    write_atomically(place / "manifest.json", kept.read_bytes())
    return Built(
        bitstream=place / plan.product, manifest_path=place / "manifest.json", manifest=manifest,
        logs=entry,
    )


def _make(plan: BuildPlan, entry: Path) -> None:
    """Place, route and pack into a new cache entry."""
    synthesis = cache_folder("synthesis") / plan.synthesis_digest[:32]
    if not synthesis.exists():
        with _new_entry(synthesis) as folder:
            _run(plan, 0, "Synthesis", folder)
    with _new_entry(entry) as folder:
        shutil.copyfile(synthesis / _NETLIST, folder / _NETLIST)
        _run(plan, 1, "Place and route", folder)
        _run(plan, 2, "Packing", folder)
        manifest = _manifest(plan, synthesis, folder)
        # Large, and quickly made again.
        for name in (_NETLIST, f"{NAME}.asc", f"{NAME}.config"):
            (folder / name).unlink(missing_ok=True)
        (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")


@contextmanager
def _new_entry(entry: Path) -> Iterator[Path]:
    """A folder to work in that becomes the cache entry, or ``<entry>.failed`` where that failed."""
    work = Path(tempfile.mkdtemp(prefix=f"{entry.name}.", dir=entry.parent))
    failed = entry.with_suffix(".failed")
    try:
        yield work
    except BuildError as error:
        shutil.rmtree(failed, ignore_errors=True)
        work.rename(failed)
        raise BuildError(str(error).replace(str(work), str(failed))) from None
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    try:
        work.rename(entry)
    except OSError:
        shutil.rmtree(work)
        if not entry.exists():  # another process was faster, with the same result
            raise


def _run(plan: BuildPlan, step: int, what: str, folder: Path) -> None:
    for name, text in plan.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    program, *arguments = plan.commands[step]
    run_tool(
        program, arguments, folder=folder, log=folder / f"{program}.log",
        what=f"{what} for {plan.target.board}",
    )


def _manifest(plan: BuildPlan, synthesis: Path, entry: Path) -> Manifest:
    report = read_report(entry / "report.json")
    placed = read_resources(report)
    resources = {
        name: placed[cell] for name, cell in _RESOURCES[plan.family].items() if cell in placed
    }
    if plan.family == "ice40":
        # A logic cell holds a LUT and a flip-flop, and nextpnr counts the cells.
        cells = read_cells(read_report(synthesis / "cells.json"), NAME)
        flip_flops = sum(count for name, count in cells.items() if name.startswith("SB_DFF"))
        resources["ff"] = Resource(used=flip_flops, available=resources["lut4"].available)
    bitstream = (entry / plan.product).read_bytes()
    target = plan.target
    return Manifest(
        board=target.board, configuration=target.configuration, part=plan.part,
        config=target.config, clock_hz=target.clock_hz, baud=target.baud, seed=plan.seed,
        tools=plan.tools, inputs_sha256=plan.digest, file=plan.product, bytes=len(bitstream),
        sha256=hashlib.sha256(bitstream).hexdigest(), resources=resources,
        clocks=read_clocks(report),
    )


def _check_timing(manifest: Manifest, logs: Path, *, allow: bool) -> None:
    slow = [
        f"{name}: {clock.fmax_mhz:g} of {clock.target_mhz:g} MHz"
        for name, clock in manifest.clocks.items() if clock.margin < 0
    ]
    # A clock that the tools do not know of would pass every check.
    engine = manifest.engine_clock
    used = [f"{r.used} of {r.available} {name}" for name, r in manifest.resources.items()]
    _log.info("%s: %s", manifest.part, ", ".join(used))
    if not slow:
        _log.info("engine clock %.4g MHz, good for %.4g", engine.target_mhz, engine.fmax_mhz)
    elif allow:
        _log.warning("misses its clock, and is written all the same: %s", "; ".join(slow))
    else:
        raise BuildError(
            f"Design for {manifest.board} misses its clock ({'; '.join(slow)}); try another seed "
            f"or a smaller engine (logs: {logs})"
        )
