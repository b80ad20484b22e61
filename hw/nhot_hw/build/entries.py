"""What the tools make of a plan, each step once: netlists and bitstreams in the cache folder."""

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from nhot.bitstream import Manifest, Resource
from nhot.errors import BuildError
from nhot_hw.build.modules import Share, read_modules
from nhot_hw.build.plan import NAME, BuildPlan
from nhot_hw.build.reports import read_cells, read_clocks, read_report, read_resources
from nhot_hw.build.tools import Watch, run_tool
from nhot_hw.cache import cache_folder

__all__ = ["MANIFEST", "modules", "pack", "place", "placed", "synthesise"]

_log = logging.getLogger("nhot.build")

MANIFEST = "manifest.json"

_NETLIST = f"{NAME}.json"

# Yosys 0.70 ends behind ABC where a wire has the name of a bit of another, as parts of a structured
# signal may (x[1] beside x), and prints nothing more. Then such wires go without names, which says
# less of critical paths. Not always: the names are of use, and other builds do not need it.
_ENDED_BEHIND_ABC = b"Running ABC command"
_HIDE_NAMES = "rename -hide w:*[[]*\n"


def synthesise(plan: BuildPlan) -> Path:
    """The entry with the netlist of ``plan``, made unless it is there."""
    entry = cache_folder("synthesis") / plan.synthesis_digest[:32]
    if not entry.exists():
        with _new_entry(entry) as folder:
            try:
                _run(plan, 0, "Synthesis", folder)
            except BuildError:
                if not _ended_behind_abc(folder / "yosys.log"):
                    raise
                _log.warning("Synthesis goes on without the names of parts of signals")
                _run(_without_names(plan), 0, "Synthesis", folder)
    return entry


def _ended_behind_abc(log: Path) -> bool:
    last = log.read_bytes().rstrip().rpartition(b"\n")[2]
    return last.startswith(_ENDED_BEHIND_ABC)


def _without_names(plan: BuildPlan) -> BuildPlan:
    """``plan`` with wires that are called like a bit of another without names."""
    script, read = f"{NAME}.ys", f"read_rtlil {NAME}.il\n"
    text = plan.files[script].replace(read, f"{read}{_HIDE_NAMES}")
    return replace(plan, files={**plan.files, script: text})


def placed(plan: BuildPlan) -> Path:
    """The entry with bitstream and manifest of ``plan``, whether or not it is there."""
    return cache_folder("bitstreams") / plan.digest[:32]


def place(plan: BuildPlan, synthesis: Path, watch: Watch | None = None) -> None:
    """Place, route and pack the netlist in ``synthesis`` into a new entry.

    ``watch`` is called as :func:`nhot_hw.build.tools.run_tool` does.
    """
    with _new_entry(placed(plan)) as folder:
        _run(plan, 1, "Place and route", folder, watch, netlist=synthesis)
        _run(plan, 2, "Packing", folder, watch)
        manifest = _manifest(plan, synthesis, folder)
        # Large, and quickly made again.
        for name in (_NETLIST, *(f"{NAME}.{suffix}" for suffix in plan.family.leftovers)):
            (folder / name).unlink(missing_ok=True)
        (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")


def pack(plan: BuildPlan) -> dict[str, Resource]:
    """What the design of ``plan`` takes of its part, seconds after synthesis: packed, not placed.

    It may be more than there is.
    """
    synthesis = synthesise(plan)
    entry = cache_folder("packed") / plan.digest[:32]
    if not entry.exists():
        with _new_entry(entry) as folder:
            _run(_packing(plan), 1, "Packing", folder, netlist=synthesis)
    return _resources(plan, read_report(entry / "report.json"), synthesis)


def modules(plan: BuildPlan) -> list[Share]:
    """Which module of the design takes how much, from its netlist."""
    return read_modules(synthesise(plan) / _NETLIST, plan.family, NAME)


def _packing(plan: BuildPlan) -> BuildPlan:
    """``plan`` with a second step that ends after packing, and so has nothing to write."""
    synthesis, place, *others = plan.commands
    at = place.index(plan.family.routed)
    packing = (*place[:at], *place[at + 2 :], "--pack-only")
    return replace(plan, commands=(synthesis, packing, *others))


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
        raise type(error)(str(error).replace(str(work), str(failed))) from None
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    try:
        work.rename(entry)
    except OSError:
        shutil.rmtree(work)
        if not entry.exists():  # another process was faster, with the same result
            raise


def _run(
    plan: BuildPlan, step: int, what: str, folder: Path, watch: Watch | None = None,
    netlist: Path | None = None,
) -> None:
    for name, text in plan.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    if netlist is not None:
        shutil.copyfile(netlist / _NETLIST, folder / _NETLIST)
    program, *arguments = plan.commands[step]
    run_tool(
        program, arguments, folder=folder, log=folder / f"{program}.log",
        what=f"{what} for {plan.target.board}", watch=watch,
    )


def _resources(
    plan: BuildPlan, report: dict[str, Any], synthesis: Path
) -> dict[str, Resource]:
    used = read_resources(report)
    resources = {
        name: Resource(
            used=sum(used[cell].used for cell in cells if cell in used),
            available=used[cells[0]].available,
        )
        for name, cells in plan.family.resources.items() if cells[0] in used
    }
    if begin := plan.family.flip_flops:
        cells = read_cells(read_report(synthesis / "cells.json"), NAME)
        flip_flops = sum(count for name, count in cells.items() if name.startswith(begin))
        resources["ff"] = Resource(used=flip_flops, available=resources["lut4"].available)
    return resources


def _manifest(plan: BuildPlan, synthesis: Path, entry: Path) -> Manifest:
    report = read_report(entry / "report.json")
    bitstream = (entry / plan.product).read_bytes()
    target = plan.target
    return Manifest(
        board=target.board, configuration=target.configuration, part=plan.part,
        config=target.config, clock_hz=target.clock_hz, baud=target.baud, boot=target.boot,
        patchable=target.patchable, seed=plan.seed,
        tools=plan.tools, inputs_sha256=plan.digest, file=plan.product, bytes=len(bitstream),
        sha256=hashlib.sha256(bitstream).hexdigest(),
        resources=_resources(plan, report, synthesis),
        clocks=read_clocks(report, headroom=plan.headroom),
    )
