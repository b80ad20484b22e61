"""What a module in Verilog costs: cells after synthesis, clock frequency after place and route."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nhot.progress import track
from nhot_hw.bench.lanes import FAMILIES, flow, flow_script
from nhot_hw.build.reports import read_cells, read_report
from nhot_hw.build.tools import MisfitError, run_tool, tool_versions
from nhot_hw.core.ports import Port

__all__ = ["GOWIN", "Cost", "legend", "measure_module"]

GOWIN = "gowin"
_PARTS = {"ecp5": "ECP5, LFE5U-25F, speed grade 6", "ice40": "iCE40 UP5K", GOWIN: "Gowin"}
_GOWIN_LUTS = {"LUT1": 1, "LUT2": 1, "LUT3": 1, "LUT4": 1, "ALU": 1, "RAM16SDP4": 4}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of a module on one FPGA; ``mhz`` is a text, since there may be none and why."""

    fpga: str
    luts: int
    flip_flops: int
    mhz: str


def measure_module(
    verilog: str, name: str, ports: Sequence[Port], families: Sequence[str] = (*FAMILIES, GOWIN)
) -> list[Cost]:
    """The cost of module ``name`` of a Verilog text, between registers at all its ports."""
    costs = []
    for family in track(list(families), "measure", unit="FPGAs"):
        with TemporaryDirectory(prefix="nhot-bench-") as scratch:
            folder = Path(scratch)
            (folder / "module.v").write_text(verilog, encoding="utf-8")
            (folder / "harness.v").write_text(harness(name, ports), encoding="utf-8")
            costs.append(_gowin(folder, name) if family == GOWIN else _placed(folder, name, family))
    return costs


def legend() -> str:
    """What the columns mean and what made them."""
    tools = tool_versions(["yosys", *(f"nextpnr-{family}" for family in FAMILIES)])
    made = ", ".join(f"{name} {version}" for name, version in tools.items() if name != "amaranth")
    return (
        "LUTs and flip-flops after synthesis: ECP5 as LUT4 + 2 CCU2C + 6 TRELLIS_DPR16X4, iCE40 as "
        "SB_LUT4, Gowin as LUT + ALU + 4 RAM16SDP4. MHz after routing, one seed, registers at all "
        f"ports. Made by {made}."
    )


def harness(name: str, ports: Sequence[Port]) -> str:
    """A module ``harness`` of three pins around module ``name``.

    Its inputs come from a chain of registers, its outputs go through registers and exclusive-ors
    into one bit: no pin is on a path, and nothing is optimised away.
    """
    inputs = [port for port in ports if port.is_input and port.name != "clk"]
    outputs = [port for port in ports if not port.is_input]
    bits, width = sum(port.bits for port in inputs), sum(port.bits for port in outputs)
    connections = [".clk(clk)"]
    for wire, group in (("chain", inputs), ("words", outputs)):
        at = 0
        for port in group:
            connections.append(f".{port.name}({wire}[{at} +: {port.bits}])")
            at += port.bits
    lines = [
        "module harness(input clk, input i_scan, output o_scan);",
        f"  reg [{bits}:0] chain; wire [{width - 1}:0] words;",
        f"  always @(posedge clk) chain <= {{chain[{bits - 1}:0], i_scan}};",
        f"  {name} dut({', '.join(connections)});",
        f"  reg [{width - 1}:0] fold0; always @(posedge clk) fold0 <= words;",
    ]
    stage = 0
    while width > 1:
        parts = [f"^fold{stage}[{i} +: {min(4, width - i)}]" for i in range(0, width, 4)]
        stage, width = stage + 1, len(parts)
        lines.append(f"  reg [{width - 1}:0] fold{stage}; always @(posedge clk) "
                     f"fold{stage} <= {{{', '.join(reversed(parts))}}};")
    return "\n".join([*lines, f"  assign o_scan = fold{stage}[0];", "endmodule"]) + "\n"


def _placed(folder: Path, name: str, family: str) -> Cost:
    script = flow_script("read_verilog -sv module.v harness.v", name, family)
    (folder / "harness.ys").write_text(script, encoding="utf-8")
    options: dict[str, Any] = {"module": name, "seed": 1, "lanes": 1, "macs": 1}
    try:
        result = flow(folder, family, timing=True, **options)
    except MisfitError:
        result = flow(folder, family, timing=False, **options)
    mhz = "does not fit" if result.fmax_mhz is None else f"{result.fmax_mhz:.0f}"
    return Cost(fpga=_PARTS[family], luts=result.luts, flip_flops=result.flip_flops, mhz=mhz)


def _gowin(folder: Path, name: str) -> Cost:
    script = (
        "read_verilog -sv module.v harness.v\nhierarchy -top harness\n"
        f"setattr -mod -set keep_hierarchy 1 {name}\nsynth_gowin -top harness\n"
        "tee -q -o cells.json stat -json\n"
    )
    (folder / "harness.ys").write_text(script, encoding="utf-8")
    run_tool("yosys", ["-q", "harness.ys"], folder=folder, log=folder / "yosys.log",
             what="Synthesis", show=False)
    cells = read_cells(read_report(folder / "cells.json"), name)
    return Cost(
        fpga=_PARTS[GOWIN], mhz="",
        luts=sum(cells.get(cell, 0) * weight for cell, weight in _GOWIN_LUTS.items()),
        flip_flops=sum(count for cell, count in cells.items() if cell.startswith("DFF")),
    )
