"""What the engines of boards hold and how fast they are: sizes, cells, networks of MLPerf Tiny."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from nhot.compiler import compile_network
from nhot.compiler.blocks import blocks
from nhot.compiler.estimates import estimate, has_estimates
from nhot.compiler.holders import holds
from nhot.compiler.targets import Target, board
from nhot.contract.config import EngineConfig
from nhot.experiments.tiny import TINY, tiny_network
from nhot.network import Filters
from nhot.report.collect import known_build

__all__ = ["EngineFacts", "engine_facts"]


@dataclass(frozen=True, kw_only=True)
class EngineFacts:
    """One engine on one board.

    Parameters
    ----------
    board, configuration, format : str
    clock_mhz : float
        That it runs at, which place and route has reached; or is asked to, where it is untested.
    macs : int
        Multiply-accumulates a cycle.
    weights : int
        That its memory has room for, filled up to whole words.
    luts : int, optional
        LUTs or logic cells; None where there is neither a bitstream nor an estimate.
    block_memories : int, optional
        Exact; None where it is untested.
    fmax_mhz : float, optional
        What its clock could be.
    figures : {"manifest", "estimate", "none", "untested"}
        Where ``luts`` and ``fmax_mhz`` are from. Untested are engines that a tool is to build which
        was never run.
    inferences_per_s : dict
        By name of a network: at the clock, exactly; None where the engine does not hold it, or is
        untested.
    """

    board: str
    configuration: str
    format: str
    clock_mhz: float
    macs: int
    weights: int
    luts: int | None
    block_memories: int | None
    fmax_mhz: float | None
    figures: str
    inferences_per_s: dict[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def engine_facts(engine: Target) -> EngineFacts:
    """What is known of an engine that a board comes with."""
    config = engine.config
    luts, fmax_mhz, figures = _cells(engine)
    untested = figures == "untested"
    cycles = dict.fromkeys(TINY) if untested else _cycles(config)
    return EngineFacts(
        board=engine.board, configuration=engine.configuration, format=config.format,
        clock_mhz=engine.clock_hz / 1e6, macs=config.macs,
        weights=config.weight_words * config.filters * config.inputs, luts=luts,
        block_memories=None if untested else blocks(config, board(engine.board).family),
        fmax_mhz=fmax_mhz, figures=figures,
        inferences_per_s={
            name: None if count is None else round(engine.clock_hz / count, 1)
            for name, count in cycles.items()
        },
    )


def _cells(engine: Target) -> tuple[int | None, float | None, str]:
    """LUTs, clock in MHz, and where these figures are from."""
    if board(engine.board).vendor_tool:
        return None, None, "untested"
    build = known_build(engine.config, engine.board)
    if build is not None:
        return build.resources["lut4"][0], build.fmax_mhz, "manifest"
    if has_estimates(engine.board):
        found = estimate(engine.config, engine.board)
        return found.luts, found.fmax_mhz, "estimate"
    return None, None, "none"


@cache
def _cycles(config: EngineConfig) -> dict[str, int | None]:
    """Of an inference of each network; None where it has no room."""
    return {name: _network_cycles(name, config) for name in TINY}


def _network_cycles(name: str, config: EngineConfig) -> int | None:
    # The fewest terms that cost no accuracy, unless the engine takes more at once.
    network = tiny_network(name, config.format, terms=max(2, config.requant_terms))
    weights = sum(node.weights.size for node in network.nodes if isinstance(node, Filters))
    # Most that do not fit are told from the others at once.
    if weights > config.weight_words * config.filters * config.inputs or not holds(network, config):
        return None
    return sum(layer.cycles for layer in compile_network(network, config).meta.layers)
