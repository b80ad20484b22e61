"""How many nets change for a multiply-accumulate: what a lane takes in energy, but for wires.

A lane's netlist in cells of the iCE40 runs on random activations and weights, both new in every
step, as in an engine that keeps sums in place; each sum is compared with the reference.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from amaranth.back import rtlil
from numpy.typing import NDArray

from nhot.contract.config import LaneStyle
from nhot.errors import NhotError
from nhot.formats import parse
from nhot.formats.format import Format, Ints
from nhot.progress import track
from nhot_hw.bench.ice40_netlist import KINDS, STREAMS, Netlist
from nhot_hw.bench.registered_array import Lanes
from nhot_hw.build.tools import run_tool, tool_versions
from nhot_hw.lanes import LaneSpec

__all__ = ["COLUMNS", "LANES", "Row", "legend", "measure", "toggles"]

LANES: tuple[tuple[str, LaneStyle], ...] = (
    ("int8", "rows"), ("2hot", "parallel"), ("1hot", "parallel"), ("ternary", "parallel"),
    ("binary", "parallel"), ("signed-binary", "parallel"),
)
"""Formats and styles, int8 first: what the others are compared with."""

DENSITY = {"ternary": 0.61, "signed-binary": 0.34}
"""The part of the weights that is not zero, as in the networks of the study of digits."""

COLUMNS = ("lane", "S", "density", *(f"{kind}/MAC" for kind in KINDS), "toggles/MAC", "of int8")

_SHARED = 2  # lanes that take the same activations
_ALL, _NONE = np.array([2**64 - 1], np.uint64), np.zeros(1, np.uint64)


@dataclass(frozen=True, kw_only=True)
class Row:
    """Toggles of the nets that each kind of cell drives, for one multiply-accumulate."""

    format: str
    style: str
    inputs: int
    density: float
    toggles: dict[str, float]
    of_int8: float = 1.0

    def cells(self) -> list[str]:
        """The row of the table, in the order of :data:`COLUMNS`."""
        name = {"parallel": self.format, "rows": f"{self.format} in rows"}[self.style]
        return [name, str(self.inputs), f"{self.density:.2f}",
                *(f"{self.toggles[kind]:.1f}" for kind in KINDS),
                f"{sum(self.toggles.values()):.1f}", f"{self.of_int8:.2f}"]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "format": self.format, "style": self.style, "inputs": self.inputs,
            "density": round(self.density, 3), "of_int8": round(self.of_int8, 3),
            "toggles_per_mac": {kind: round(count, 2) for kind, count in self.toggles.items()},
        }


def measure(inputs: int = 16, steps: int = 48) -> list[Row]:
    """All of :data:`LANES`, beside int8."""
    rows: list[Row] = []
    for name, style in track(list(LANES), "lanes", unit="lanes"):
        spec = LaneSpec(format=parse(name), inputs=inputs, style=style)
        counts, density = toggles(spec, steps=steps, seed=1)
        total = sum(counts.values())
        base = sum(rows[0].toggles.values()) if rows else total
        rows.append(Row(format=name, style=style, inputs=inputs, density=density, toggles=counts,
                        of_int8=total / base))
    return rows


def toggles(spec: LaneSpec, *, steps: int, seed: int) -> tuple[dict[str, float], float]:
    """Toggles for a multiply-accumulate, by kind of cell, and the density of the weights drawn.

    Sums of ``steps`` steps on as many streams as a word has bits; raises :class:`NhotError` where
    one of them is not the reference's.
    """
    source = np.random.default_rng(seed)
    netlist = Netlist(_synthesised(spec))
    low, high = spec.activation_range
    bell = source.normal(0, (high - low + 1) / 8, (STREAMS, steps, spec.inputs))
    x = np.clip(np.rint(bell), low, high).astype(np.int64)
    w = drawn(spec.format, (STREAMS, steps, _SHARED, spec.inputs), source)
    activations = _words(x, spec.activation_bits)
    fields = _words(spec.format.to_fields(w), spec.format.field_bits)
    for step in range(-1, steps + spec.latency):  # a step before all, for nothing to come from rest
        if step == 0:
            netlist.forget()
        enable = _ALL if 0 <= step < steps else _NONE
        netlist.step({
            "i_x": activations[step % steps], "i_w": fields[step % steps],
            "i_en": enable, "i_first": _ALL if step == 0 else _NONE,
        })
        if step == steps - 1:
            counts = dict(netlist.toggles)
    _check(spec, netlist, x, w)
    macs = w.size
    return {kind: count / macs for kind, count in counts.items()}, float((w != 0).mean())


def drawn(format: Format, shape: Sequence[int], source: np.random.Generator) -> Ints:
    """Weights as a trained layer has them: a bell, or as many zeros as :data:`DENSITY` says.

    Those of a step, which are the last axis, have one sign where they share it.
    """
    density = DENSITY.get(format.name.split("/")[0])  # with regions or without
    if density is None:
        return format.nearest(source.normal(0, format.max_level / 3, shape))
    signs = [sign for sign in (-1, 1) if sign in format.levels]
    sign = source.choice(signs, (*shape[:-1], 1) if format.sign_codes else shape)
    return sign * (source.random(shape) < density).astype(np.int64)


def legend() -> list[str]:
    """What the columns mean and what they were measured with, one sentence a line."""
    versions = tool_versions(["yosys"])
    tools = ", ".join(f"{name} {version}" for name, version in versions.items())
    return textwrap.dedent(f"""\
        toggles: changes of nets that cells drive, netlist for an iCE40, no glitches, no wires.
        Activations: drawn anew for each step, a bell whose deviation is an eighth of the range.
        Weights: drawn too, a bell of three deviations, or as many zeros as the density says.
        S: inputs of a lane; {_SHARED} lanes share activations. Every sum is the reference's.
        Tools: {tools}.""").splitlines()


def _synthesised(spec: LaneSpec) -> dict[str, Any]:
    """The module of lanes that share their activations, in cells of the iCE40."""
    design = rtlil.convert(Lanes(spec, _SHARED), name="lanes", emit_src=False)
    with TemporaryDirectory(prefix="nhot-bench-") as name:
        folder = Path(name)
        (folder / "lanes.il").write_text(design, encoding="utf-8")
        script = "read_rtlil lanes.il; synth_ice40 -device u -top lanes; write_json lanes.json"
        run_tool("yosys", ["-q", "-p", script], folder=folder, log=folder / "yosys.log",
                 what="Synthesis", show=False)
        text = (folder / "lanes.json").read_text(encoding="utf-8")
    module: dict[str, Any] = json.loads(text)["modules"]["lanes"]
    return module


def _words(values: Ints, width: int) -> NDArray[np.uint64]:
    """The bits of values (streams, steps, ...), one word for all streams. (steps, bits)"""
    bits = (values[..., None] >> np.arange(width)) & 1
    columns = bits.reshape(*values.shape[:2], -1).transpose(1, 2, 0).astype(np.uint8)
    words = np.ascontiguousarray(np.packbits(columns, axis=-1, bitorder="little"))
    return words.view("<u8").astype(np.uint64)[..., 0]


def _check(spec: LaneSpec, netlist: Netlist, x: Ints, w: Ints) -> None:
    """Refuse a netlist whose sums are not the reference's."""
    width = spec.accumulator_bits
    bits = netlist.read("o_sum")[:, None] >> np.arange(STREAMS, dtype=np.uint64) & np.uint64(1)
    place = np.arange(width, dtype=np.uint64)[:, None]
    for lane, code in enumerate(np.split(bits, _SHARED)):
        for stream, found in enumerate((code << place).sum(axis=0).tolist()):
            wanted = spec.compute(x[stream], w[stream, :, lane]) % (1 << width)
            if found != wanted:
                raise NhotError(f"Sum of lane {lane} of {spec.format.name}, stream {stream}, must "
                                f"be {wanted}, not {found}")
