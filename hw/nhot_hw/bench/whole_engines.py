"""Whole engines that differ in nothing but their lanes, beside one with multipliers in LUTs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from nhot.bitstream import Resource
from nhot.compiler.targets import Target, board
from nhot.contract.config import EngineConfig, LaneStyle
from nhot.progress import track
from nhot_hw.build.entries import pack
from nhot_hw.build.plan import plan_build
from nhot_hw.build.tools import tool_versions

__all__ = ["COLUMNS", "ENGINES", "Row", "legend", "measure"]

BASELINE: tuple[str, LaneStyle] = ("int8", "rows")
"""The smallest multiplier without DSPs: mapped by hand, a row of adder cells a bit of a weight."""

_LANES: dict[str, tuple[tuple[str, LaneStyle], ...]] = {
    "ecp5": (
        BASELINE, ("2hot", "chain"), ("1hot", "chain"), ("ternary", "chain"), ("binary", "chain"),
        ("signed-binary", "chain"),
    ),
    "ice40": (
        BASELINE, ("2hot", "parallel"), ("1hot", "parallel"), ("ternary", "parallel"),
        ("binary", "parallel"), ("signed-binary", "chain"),
    ),
}
"""The lanes that take least, of each format."""

AIMS = {"2hot": 0.72, "1hot": 0.55, "ternary": 0.25, "signed-binary": 0.25}
"""The most that an engine may take of the baseline's LUTs; published are 0.72 and 0.69 (1-hot)."""

ENGINES = {
    "ulx3s-85f": EngineConfig(
        pixels=2, filters=16, inputs=16, requantisers=16, product_bits=40,
        activation_words=6144, weight_words=1024, requant_words=512, program_words=512,
    ),
    "icebreaker": EngineConfig(
        filters=4, inputs=4, accumulator_bits=20, product_bits=40,
        activation_words=1024, weight_words=256, requant_words=256, program_words=256,
    ),
}
"""A board's part, and the sizes of the engines: 512 and 16 multiply-accumulates a cycle."""

COLUMNS = ("board", "T x P x S", "lanes", "LUTs", "of int8", "aim")


@dataclass(frozen=True, kw_only=True)
class Row:
    """An engine, packed, and the baseline of the same sizes.

    Parameters
    ----------
    luts, baseline : int
        Of the packed engine (iCE40: logic cells; ECP5: LUT4, two for a carry cell), and of the one
        with the lanes of :data:`BASELINE`.
    """

    board: str
    config: EngineConfig
    luts: int
    baseline: int

    @property
    def ratio(self) -> float:
        """LUTs, as a part of the baseline's."""
        return self.luts / self.baseline

    @property
    def aim(self) -> float | None:
        """The most that ``ratio`` should be."""
        return AIMS.get(self.config.format)

    def cells(self) -> list[str]:
        """The row of the table, in the order of :data:`COLUMNS`."""
        config = self.config
        met = "" if self.aim is None else (
            f"{self.aim:.2f} {'met' if self.ratio <= self.aim else 'missed'}"
        )
        return [
            self.board, f"{config.pixels} x {config.filters} x {config.inputs}",
            f"{config.format}, {config.lane}", f"{self.luts:,}", f"{self.ratio:.2f}", met,
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "board": self.board, "config": self.config.sizes(), "luts": self.luts,
            "of_int8": round(self.ratio, 3), "aim": self.aim,
        }


def measure(boards: Sequence[str] = tuple(ENGINES)) -> list[Row]:
    """Synthesise and pack every engine; minutes each, and what is packed is kept in the cache."""
    engines = [
        (name, replace(ENGINES[name], format=format, lane=lane))
        for name in boards for format, lane in _LANES[board(name).family]
    ]
    luts = {
        (name, config): _packed(name, config)["lut4"].used
        for name, config in track(engines, "engines packed", unit="engines")
    }
    return [
        Row(board=name, config=config, luts=used,
            baseline=luts[name, replace(config, format=BASELINE[0], lane=BASELINE[1])])
        for (name, config), used in luts.items()
    ]


def legend(rows: Sequence[Row]) -> list[str]:
    """What the columns mean and what they were measured with, one sentence a line."""
    families = sorted({board(row.board).family for row in rows})
    tools = tool_versions(["yosys", *(f"nextpnr-{family}" for family in families)])
    return [
        "Engines of the same sizes, link and memories included, packed for the board's part.",
        "LUTs: logic cells of an iCE40; LUT4 of an ECP5, of which a carry cell is two.",
        "of int8: of those of the engine with int8 lanes mapped by hand, without DSPs.",
        f"Tools: {', '.join(f'{name} {version}' for name, version in tools.items())}.",
    ]


def _packed(name: str, config: EngineConfig) -> dict[str, Resource]:
    clock_hz = next(iter(board(name).configurations.values()))[0]
    return pack(plan_build(Target(
        board=name, configuration=config.format, config=config, clock_hz=clock_hz,
    )))
