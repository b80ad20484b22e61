"""Compare the lanes of all formats with each other and with int8."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nhot.formats import parse
from nhot.progress import track
from nhot_hw.bench.lanes import FAMILIES, Measurement, measure
from nhot_hw.build.tools import tool_versions
from nhot_hw.lanes import LaneSpec

__all__ = ["COLUMNS", "KINDS", "Kind", "Row", "legend", "sweep", "to_markdown"]

_log = logging.getLogger("nhot.bench")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One way to build a lane, and the families that it is for."""

    name: str
    format: str
    style: str = "parallel"
    dsp: bool = False
    families: Sequence[str] = FAMILIES

    @property
    def is_baseline(self) -> bool:
        """Whether others may be compared with it: a multiplier in LUTs."""
        return self.format == "int8" and not self.dsp


# What is mapped onto the carry cells of the ECP5 has no use elsewhere. Where Yosys 0.70 is let
# loose on the DSPs of the iCE40, the netlist of a dot product is wrong: two of four products are
# missing. Its size says nothing.
_ECP5 = ("ecp5",)

#: In the order of the table.
KINDS = (
    Kind(name="int8 in rows", format="int8", style="rows"),
    Kind(name="int8 in LUTs", format="int8"),
    Kind(name="int8 in DSPs", format="int8", dsp=True, families=_ECP5),
    Kind(name="3hot", format="3hot"),
    Kind(name="3hot chain", format="3hot", style="chain", families=_ECP5),
    Kind(name="2hot", format="2hot"),
    Kind(name="2hot chain", format="2hot", style="chain", families=_ECP5),
    Kind(name="2hot serial", format="2hot", style="serial"),
    Kind(name="1hot", format="1hot"),
    Kind(name="1hot chain", format="1hot", style="chain", families=_ECP5),
    Kind(name="ternary", format="ternary"),
    Kind(name="ternary chain", format="ternary", style="chain", families=_ECP5),
    Kind(name="binary", format="binary"),
    Kind(name="binary chain", format="binary", style="chain", families=_ECP5),
    Kind(name="signed-binary", format="signed-binary"),
    Kind(name="signed-binary chain", format="signed-binary", style="chain"),
    Kind(name="signed-binary/16", format="signed-binary/16"),
)

# Multiply-accumulates in one measurement: enough to average over, few enough for the part. The
# second number is for DSPs, of which the ECP5 has 28.
_PRODUCTS = {"ecp5": (32, 16), "ice40": (16, 8)}
_LEAST_LANES = 2  # that share their activations


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured lane and the smallest of int8 in LUTs for the same work on the same part."""

    kind: Kind
    inputs: int
    result: Measurement
    baseline: Measurement

    @property
    def ratio(self) -> float:
        """LUTs for a multiply-accumulate a cycle, as a part of those of the smallest int8."""
        return self.result.luts_per_mac / self.baseline.luts_per_mac

    def cells(self) -> list[str]:
        """The row of the table, in the order of :data:`COLUMNS`."""
        result = self.result
        return [
            result.family, self.kind.name, str(self.inputs), f"{result.luts_per_mac:.1f}",
            f"{result.placed_per_mac:.1f}", f"{result.flip_flops / result.macs:.1f}",
            f"{result.dsps / result.macs:g}",
            "" if result.fmax_mhz is None else f"{result.fmax_mhz:.0f}", f"{self.ratio:.2f}",
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        result = self.result
        return {
            "family": result.family, "lane": self.kind.name, "format": self.kind.format,
            "style": self.kind.style, "inputs": self.inputs, "lanes": result.lanes,
            "luts_per_mac": round(result.luts_per_mac, 2),
            "placed_per_mac": round(result.placed_per_mac, 2),
            "flip_flops_per_mac": round(result.flip_flops / result.macs, 2),
            "dsps_per_mac": result.dsps / result.macs, "fmax_mhz": result.fmax_mhz,
            "of_int8": round(self.ratio, 3), "cells": result.cells,
        }


COLUMNS = ("family", "lane", "S", "LUT/MAC", "placed/MAC", "FF/MAC", "DSP/MAC", "MHz", "of int8")


def sweep(
    families: Sequence[str] = FAMILIES, inputs: Iterable[int] = (4, 16), *, timing: bool = True
) -> list[Row]:
    """Measure every kind of lane with each number of inputs.

    An hour with timing; each result is kept in the cache folder, so that a sweep that was
    interrupted goes on where it was.
    """
    jobs = [
        (family, s, kind) for family in families for s in inputs for kind in KINDS
        if family in kind.families
    ]
    results: dict[tuple[str, int, Kind], Measurement] = {}
    for family, s, kind in track(jobs, "lanes", unit="lanes"):
        spec = LaneSpec(format=parse(kind.format), inputs=s, style=kind.style)
        lanes = max(_LEAST_LANES, _PRODUCTS[family][kind.dsp] // s)
        result = measure(spec, family, lanes=lanes, dsp=kind.dsp, timing=timing)
        results[family, s, kind] = result
        _log.debug("%s %s %d: %.1f LUT/MAC", family, kind.name, s, result.luts_per_mac)
    return [
        Row(kind=kind, inputs=s, result=result, baseline=_baseline(results, family, s))
        for (family, s, kind), result in results.items()
    ]


def _baseline(
    results: dict[tuple[str, int, Kind], Measurement], family: str, inputs: int
) -> Measurement:
    """The smallest multiplier in LUTs."""
    candidates = (
        result for (of_family, s, kind), result in results.items()
        if (of_family, s) == (family, inputs) and kind.is_baseline
    )
    return min(candidates, key=lambda result: result.luts_per_mac)


def legend(families: Sequence[str]) -> list[str]:
    """What the columns mean and what they were measured with, one sentence a line."""
    tools = tool_versions(["yosys", *(f"nextpnr-{family}" for family in families)])
    text = {
        "ecp5": "ECP5: LUT = LUT4 + 2 CCU2C + 6 TRELLIS_DPR16X4 after synthesis, placed = "
                "TRELLIS_COMB after packing, LFE5U-25F of speed grade 6.",
        "ice40": "iCE40: LUT = SB_LUT4 after synthesis, placed = logic cells after packing, "
                 "lone flip-flops and carries included, UP5K.",
    }
    return [
        "MAC: one multiply-accumulate a cycle; a serial lane of n terms has 1/n of one per input.",
        "S: inputs of a lane. Sums of 24 bits, activations of 8. Lanes share their activations.",
        *(text[family] for family in families),
        "MHz: after routing, one seed, every input and output registered.",
        "int8 in rows is mapped by hand, a row of adder cells for each bit of a weight.",
        "int8 in LUTs and in DSPs is what Yosys makes of a product.",
        "of int8: LUTs as a part of those of the smaller int8 without DSPs.",
        "chain: terms added one after the other, the last stage of all but the first in the adder.",
        "Memories, control, readout and requantisation are not included.",
        f"Tools: {', '.join(f'{name} {version}' for name, version in tools.items())}.",
    ]


def to_markdown(rows: Sequence[Row]) -> str:
    """The table as Markdown, with its legend."""
    families = list(dict.fromkeys(row.result.family for row in rows))
    aligned = ["---", "---", *["---:"] * (len(COLUMNS) - 2)]
    lines = [
        "# What a lane costs", "", "Made by `nhot bench lanes --markdown`.", "",
        *(f"* {line}" for line in legend(families)), "",
        *("| " + " | ".join(cells) + " |" for cells in (COLUMNS, aligned)),
        *("| " + " | ".join(row.cells()) + " |" for row in rows),
    ]
    return "\n".join(lines) + "\n"
