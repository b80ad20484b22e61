"""A candidate with what is known of it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

from nhot.compiler.estimates import dsp_blocks
from nhot.compiler.targets import board
from nhot.contract.config import EngineConfig
from nhot.trials import Rounding, Scored

__all__ = ["STAGES", "Point", "Stage"]

Stage = Literal["estimated", "synthesised", "placed"]
STAGES: tuple[Stage, ...] = ("estimated", "synthesised", "placed")


@dataclass(frozen=True, kw_only=True)
class Point:
    """A network on an engine on a board.

    Parameters
    ----------
    board : str
    rounding : Rounding
        Of the network.
    network : str
        Path of its file.
    config : EngineConfig
        The smallest of its array that holds the network.
    scored : Scored
    cycles : int
        Of an inference, exactly.
    luts, block_memories : int
        Of the FPGA; estimates before synthesis, but for the block memories.
    fmax_mhz : float
        Of the engine's clock; an estimate before place and route.
    stage : Stage
        What the figures are of.
    clock_hz : int, optional
        A clock that was met.
    """

    board: str
    rounding: Rounding
    network: str
    config: EngineConfig
    scored: Scored
    cycles: int
    luts: int
    block_memories: int
    fmax_mhz: float
    stage: Stage = "estimated"
    clock_hz: int | None = None

    @property
    def dsps(self) -> int:
        """Multipliers of the FPGA that it takes."""
        return dsp_blocks(self.config, board(self.board).family)

    @property
    def rate(self) -> float:
        """Inferences a second at the highest clock."""
        return 1e6 * self.fmax_mhz / self.cycles

    @property
    def costs(self) -> tuple[float, float, float]:
        """What is to be small: the measure turned round, time of an inference, LUTs."""
        return -self.scored.better, 1 / self.rate, float(self.luts)

    def hoped(self, margin: float) -> tuple[float, float, float]:
        """The costs if the tools make it better than its estimate by a part of each."""
        score, time, luts = self.costs
        time = time / (1 + margin) if self.stage != "placed" else time
        luts = luts / (1 + margin) if self.stage == "estimated" else luts
        return score, time, luts

    @property
    def array(self) -> str:
        """T x P x S."""
        return f"{self.config.pixels}x{self.config.filters}x{self.config.inputs}"

    @property
    def name(self) -> str:
        """A name for files, which a configuration can have, too; what is usual is not in it."""
        config, rounding = self.config, self.rounding
        parts = {
            rounding.format.replace("+", "-plus"): True,
            f"a{rounding.bits}": rounding.bits != 8,
            f"m{rounding.requant_terms}": rounding.requant_terms != 4,
            self.array: True,
            f"r{config.requantisers}": True,
            f"t{config.requant_terms}": config.requant_terms != 1,
            config.lane: config.lane != "parallel",
            "depthwise": config.depthwise,
            self.board: True,
        }
        return re.sub("[^a-z0-9_-]", "-", "-".join(part for part, said in parts.items() if said))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "name": self.name, "board": self.board, "format": self.rounding.format,
            "bits": self.rounding.bits, "multiplier_terms": self.rounding.requant_terms,
            "config": asdict(self.config), "network": self.network,
            "metric": self.scored.metric, "value": self.scored.value, "cycles": self.cycles,
            "luts": self.luts, "block_memories": self.block_memories, "dsps": self.dsps,
            "fmax_mhz": self.fmax_mhz,
            "inferences_per_second": self.rate, "clock_hz": self.clock_hz, "stage": self.stage,
        }
