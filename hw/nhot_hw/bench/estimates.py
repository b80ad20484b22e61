"""Estimates of engines beside what the tools made of them, and what estimates are fitted to."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np

from nhot.bitstream import Manifest
from nhot.compiler.estimates import Coefficients, estimate, has_estimates, parts, period_parts
from nhot.compiler.targets import Board, Target, board
from nhot.contract.config import EngineConfig
from nhot.progress import track
from nhot.report.collect import bitstreams
from nhot_hw.bench.random_engines import drawn
from nhot_hw.build.entries import MANIFEST, pack, placed
from nhot_hw.build.plan import BuildPlan, plan_build
from nhot_hw.build.seeds import place_seeds

__all__ = ["COLUMNS", "FITTED", "PLACED", "ROWS", "Row", "committed", "fit", "legend",
           "packed_engines", "to_json"]

FITTED = {"ecp5": (*range(26), 41), "ice40": tuple(range(25))}
"""Which of the drawn engines estimates are fitted to; 41 is the ECP5's first with serial lanes."""

PLACED = {"ecp5": (0, 3, 11, 17), "ice40": (0, 2, 5, 7, 9, 10, 12)}
"""Which of them are placed and routed: small ones, minutes each."""

ROWS = {
    "ecp5": tuple(
        EngineConfig(
            format="int8", lane="rows", filters=8, inputs=inputs, requantisers=inputs // 2,
            activation_words=4096, weight_words=1024, requant_words=512, program_words=512,
        ) for inputs in (4, 8)
    ),
    "ice40": tuple(
        EngineConfig(
            format="int8", lane="rows", filters=filters, accumulator_bits=20, product_bits=40,
            weight_words=256,
        ) for filters in (2, 4)
    ),
}
"""Engines beside the drawn ones, among which no lanes are in rows."""

_FITTED_ON = {"ecp5": "ulx3s-85f", "ice40": "icebreaker"}
_CLOCKS = {"ecp5": 60_000_000, "ice40": 24_000_000}
"""Of the engine, in Hz: place and route takes what time its target leaves it."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """An engine of a committed bitstream: what was estimated, and what the tools made of it."""

    board: str
    configuration: str
    luts: int
    luts_estimated: int
    block_memories: int
    block_memories_estimated: int
    fmax_mhz: float
    fmax_mhz_estimated: float

    @property
    def errors(self) -> tuple[float, float]:
        """Of LUTs and of the clock, as a part of what the tools made."""
        return (self.luts_estimated / self.luts - 1, self.fmax_mhz_estimated / self.fmax_mhz - 1)

    def cells(self) -> list[str]:
        """The row of the table, in the order of :data:`COLUMNS`."""
        luts, fmax = self.errors
        return [
            self.board, self.configuration, f"{self.luts:,}", f"{self.luts_estimated:,}",
            f"{luts:+.1%}", str(self.block_memories), str(self.block_memories_estimated),
            f"{self.fmax_mhz:.1f}", f"{self.fmax_mhz_estimated:.1f}", f"{fmax:+.1%}",
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


COLUMNS = ("board", "engine", "LUTs", "estimate", "error", "blocks", "estimate", "MHz", "estimate",
           "error")


def committed() -> list[Row]:
    """A row for each bitstream that comes with the project and that there are estimates of."""
    return [_row(one) for one in bitstreams() if has_estimates(one.board)]


def legend(rows: Sequence[Row]) -> list[str]:
    """What the columns mean and how far off estimates are, one sentence a line."""
    luts, fmax = (median(abs(row.errors[which]) for row in rows) for which in (0, 1))
    return [
        "LUTs, blocks, MHz: of nextpnr, in the manifests of the committed bitstreams.",
        "estimate: fitted to other engines, none of which is among these (--fit does it again).",
        f"Median of the errors: {luts:.1%} of LUTs, {fmax:.1%} of MHz.",
    ]


def fit() -> dict[str, Coefficients]:
    """Coefficients of each family, fitted to drawn engines.

    Hours; what the tools have made is kept in the cache folder, so that it goes on where it was.
    """
    return {family: _fit(board(name)) for family, name in _FITTED_ON.items()}


def packed_engines(family: str) -> list[EngineConfig]:
    """All engines whose LUTs estimates are fitted to."""
    engines = drawn(family, max(FITTED[family]) + 1)
    return [*(engines[number] for number in FITTED[family]), *ROWS[family]]


def to_json(fitted: dict[str, Coefficients]) -> str:
    """As the package has them."""
    return json.dumps({family: asdict(one) for family, one in fitted.items()}, indent=2) + "\n"


def _row(manifest: Manifest) -> Row:
    found = estimate(manifest.config, manifest.board)
    resources = manifest.resources
    return Row(
        board=manifest.board, configuration=manifest.configuration,
        luts=resources["lut4"].used, luts_estimated=found.luts,
        block_memories=resources["bram"].used, block_memories_estimated=found.block_memories,
        fmax_mhz=manifest.engine_clock.fmax_mhz, fmax_mhz_estimated=found.fmax_mhz,
    )


def _fit(board: Board) -> Coefficients:
    family = board.family
    engines = drawn(family, max(FITTED[family]) + 1)
    luts, periods = {}, {}
    for config in track(packed_engines(family), f"{family} packed", unit="engines"):
        luts[config] = pack(_plan(board, config))["lut4"].used
    for number in track(PLACED[family], f"{family} placed", unit="engines"):
        periods[engines[number]] = 1000 / _fmax(board, engines[number])
    return Coefficients(
        luts=_solve(luts, lambda config: parts(config, family)),
        period=_solve(periods, lambda config: period_parts(luts[config])),
        engines=len(luts), placed=len(periods),
    )


def _plan(board: Board, config: EngineConfig) -> BuildPlan:
    return plan_build(Target(board=board.name, configuration="drawn", config=config,
                             clock_hz=_CLOCKS[board.family]))


def _fmax(board: Board, config: EngineConfig) -> float:
    plan = _plan(board, config)
    place_seeds(plan, [plan.seed], jobs=1)
    return Manifest.read(placed(plan) / MANIFEST).engine_clock.fmax_mhz


def _solve(
    measured: dict[EngineConfig, float], amounts: Callable[[EngineConfig], dict[str, float]]
) -> dict[str, float]:
    """What each part costs, nothing or more, by the least squares of relative errors."""
    from scipy.optimize import nnls

    rows = [amounts(config) for config in measured]
    names = sorted({name for row in rows for name in row})
    matrix = np.array([
        [row.get(name, 0) / value for name in names]
        for row, value in zip(rows, measured.values(), strict=True)
    ])
    scale = np.maximum(np.abs(matrix).max(axis=0), 1e-12)
    solution, _ = nnls(matrix / scale, np.ones(len(rows)))
    return {name: _rounded(value) for name, value in zip(names, solution / scale, strict=True)}


def _rounded(value: float, digits: int = 4) -> float:
    return float(f"{value:.{digits}g}")
