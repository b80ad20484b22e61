"""What a lane costs: cells after synthesis and packing, clock frequency after place and route."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from amaranth.back import rtlil

from nhot.errors import NhotError
from nhot.files import write_atomically
from nhot.schema import read_json
from nhot_hw.bench.registered_array import Harness
from nhot_hw.build.reports import read_cells, read_clocks, read_report, read_resources
from nhot_hw.build.tools import run_tool, tool_versions
from nhot_hw.cache import cache_folder, content_key
from nhot_hw.lanes import LaneSpec

__all__ = ["FAMILIES", "Measurement", "flow", "flow_script", "measure"]

FAMILIES = ("ecp5", "ice40")
_REVISION = "lanes 1"  # to be changed with anything below that changes a result

# The parts: an ECP5 of speed grade 6 and the iCE40 UP5K. Targets are out of reach, so that
# placement does what it can.
_SYNTHESIS = {
    ("ecp5", False): "synth_ecp5 -nodsp", ("ecp5", True): "synth_ecp5",
    ("ice40", False): "synth_ice40 -device u",
    ("ice40", True): "synth_ice40 -device u -dsp",
}
_PLACE = {
    "ecp5": ["--25k", "--package", "CABGA256", "--speed", "6", "--lpf-allow-unconstrained",
             "--freq", "300", "--router", "router2"],
    "ice40": ["--up5k", "--package", "sg48", "--pcf-allow-unconstrained", "--freq", "100"],
}
_LUTS = {
    "ecp5": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6},
    "ice40": {"SB_LUT4": 1},
}
_PLACED = {"ecp5": "TRELLIS_COMB", "ice40": "ICESTORM_LC"}
_FLIP_FLOP = {"ecp5": "TRELLIS_FF", "ice40": "SB_DFF"}
_DSP = {"ecp5": "MULT18X18D", "ice40": "SB_MAC16"}


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The cost of ``lanes`` equal lanes that share their activations, as in an array.

    Parameters
    ----------
    lanes, macs : int
        Lanes, and the multiply-accumulates a cycle of all of them, which may be a fraction.
    luts : int
        ECP5: LUT4 + 2 CCU2C + 6 TRELLIS_DPR16X4. iCE40: SB_LUT4.
    placed : int
        Logic cells after packing (ECP5: TRELLIS_COMB), without those of the harness. On the iCE40
        a lone flip-flop or carry takes one too.
    flip_flops, dsps : int
        Cells after synthesis.
    cells : dict
        All cells after synthesis, by type.
    fmax_mhz : float or None
        The one clock of the design after routing, one seed.
    """

    family: str
    lanes: int
    macs: float
    luts: int
    flip_flops: int
    dsps: int
    cells: dict[str, int]
    placed: int
    fmax_mhz: float | None = None

    @property
    def luts_per_mac(self) -> float:
        """LUTs for one multiply-accumulate a cycle."""
        return self.luts / self.macs

    @property
    def placed_per_mac(self) -> float:
        """Logic cells for one multiply-accumulate a cycle."""
        return self.placed / self.macs


def measure(
    spec: LaneSpec, family: Literal["ecp5", "ice40"], *, lanes: int = 8, dsp: bool = False,
    timing: bool = True, seed: int = 1,
) -> Measurement:
    """Synthesise and pack ``lanes`` lanes of ``spec``; with ``timing`` place and route them, too.

    Takes seconds for the cells alone and about half a minute with timing; a result is kept in the
    cache folder. The lanes are elaborated with a platform of the family, so that they may pick
    its cells.

    Parameters
    ----------
    dsp : bool
        Let synthesis use DSP blocks.
    """
    if family not in FAMILIES:
        raise NhotError(f"Family must be one of {', '.join(FAMILIES)}, not {family!r}")
    netlist = rtlil.convert(
        Harness(spec, lanes), name="harness", platform=_platform(family), emit_src=False
    )
    tools = ("yosys", f"nextpnr-{family}")
    script = flow_script("read_rtlil harness.il", "harness.lanes", family, dsp=dsp)
    key = content_key([
        _REVISION, json.dumps(tool_versions(tools)), netlist, script, *_PLACE[family], str(seed),
        "timing" if timing else "packing",
    ])
    entry = cache_folder("bench") / f"{key}.json"
    if entry.exists():
        return read_json(Measurement, entry, "Measurement")
    macs = lanes * spec.inputs / spec.ii
    with TemporaryDirectory(prefix="nhot-bench-") as name:
        folder = Path(name)
        (folder / "harness.il").write_text(netlist, encoding="utf-8")
        (folder / "harness.ys").write_text(script, encoding="utf-8")
        result = flow(folder, family, module="harness.lanes", timing=timing, seed=seed,
                      lanes=lanes, macs=macs)
    write_atomically(entry, json.dumps(asdict(result)).encode())
    return result


def _platform(family: str) -> object:
    # Only for what lanes ask a platform; nothing is built with it.
    if family == "ecp5":
        from amaranth_boards.ulx3s import ULX3S_25F_Platform

        return ULX3S_25F_Platform(toolchain="Trellis")
    from amaranth_boards.icebreaker import ICEBreakerPlatform

    return ICEBreakerPlatform(toolchain="IceStorm")


def flow_script(read: str, module: str, family: str, *, dsp: bool = False) -> str:
    """For Yosys: read and synthesise ``harness``, and count the cells of ``module`` inside."""
    lines = [
        read,
        "hierarchy -top harness",
        # One boundary stays, between what is measured and the registers around it.
        f"setattr -mod -set keep_hierarchy 1 {module}",
        f"{_SYNTHESIS[family, dsp]} -top harness",
        "tee -q -o cells.json stat -json",
        "write_json harness.json",
    ]
    return "\n".join(lines) + "\n"


def flow(
    folder: Path, family: str, *, module: str, timing: bool, seed: int, lanes: int, macs: float
) -> Measurement:
    """Run ``harness.ys`` in a folder and pack what it made, with ``timing`` place and route it."""
    run_tool("yosys", ["-q", "harness.ys"], folder=folder, log=folder / "yosys.log",
             what="Synthesis", show=False)
    report = read_report(folder / "cells.json")
    cells = read_cells(report, module)
    run_tool(
        f"nextpnr-{family}",
        [*_PLACE[family], "--json", "harness.json", "--report", "report.json", "--seed",
         str(seed), "--timing-allow-fail", *([] if timing else ["--pack-only"])],
        folder=folder, log=folder / "nextpnr.log", what="Place and route", show=False,
    )
    routed = read_report(folder / "report.json")
    around = read_cells(report, "harness")
    placed = read_resources(routed)[_PLACED[family]].used - _harness_cells(around, family)
    fmax = min(clock.fmax_mhz for clock in read_clocks(routed).values()) if timing else None
    return Measurement(
        family=family, lanes=lanes, macs=macs, cells=cells,
        luts=sum(cells.get(name, 0) * weight for name, weight in _LUTS[family].items()),
        flip_flops=sum(n for name, n in cells.items() if name.startswith(_FLIP_FLOP[family])),
        dsps=cells.get(_DSP[family], 0), placed=placed, fmax_mhz=fmax,
    )


def _harness_cells(around: dict[str, int], family: str) -> int:
    """Logic cells that the registers around the lanes take by themselves."""
    if family == "ecp5":
        return around.get("LUT4", 0)
    # A flip-flop takes a whole cell; the LUT of an exclusive-or shares that of its own flip-flop.
    return sum(n for name, n in around.items() if name.startswith("SB_DFF"))
