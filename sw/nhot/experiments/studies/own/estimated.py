"""Engines made to measure for a network, which nobody has built, with estimates of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nhot.compiler.estimates import Estimate, estimate
from nhot.compiler.fit import fit
from nhot.compiler.targets import BOARDS
from nhot.contract.config import EngineConfig
from nhot.errors import NhotError
from nhot.experiments.studies.own.engines import Engine, Place
from nhot.formats import Uniform
from nhot.network import Network
from nhot.report.collect import bitstreams
from nhot.trials import Fitted, fit_network

__all__ = ["made_to_measure"]


def made_to_measure(network: Network, engines: Sequence[Engine], tried: Place) -> Place:
    """The smallest engine for ``network`` on the first board that has room for one.

    The arrays of ``engines`` are kept, format and memories are those of the network; cells and
    clock are estimates.

    Parameters
    ----------
    tried : Place
        What became of ``engines`` themselves, of which none holds the network.
    """
    refused = dict(tried.refused)
    for engine in engines:
        if engine.board not in BOARDS:
            continue
        name = f"{engine.name} made to measure"
        try:
            config = fit(network, engine.config)
        except NhotError as error:
            refused[name] = Fitted(reason=str(error))
            continue
        found = estimate(config, engine.board)
        fitted = fit_network(network, config)
        reason = fitted.reason or _beyond(config, engine.board, found)
        if not reason:
            made = Engine(name=name, config=config, board=engine.board, estimate=found,
                          clock_hz=round(found.fmax_mhz * 1e6), dsps=_dsps(config, engine.board))
            return Place(engine=made, fitted=fitted, refused=refused)
        refused[name] = Fitted(reason=reason)
    return replace(tried, refused=refused)


def _dsps(config: EngineConfig, board: str) -> int:
    """What Yosys makes of a product: on an ECP5 a DSP block, on an iCE40 cells."""
    uniform = isinstance(config.weight_format, Uniform)
    return config.macs if uniform and BOARDS[board].family == "ecp5" else 0


def _beyond(config: EngineConfig, board: str, found: Estimate) -> str:
    """What an engine takes that a board has not, in a sentence; nothing where it has all."""
    there, dsps = BOARDS[board], _dsps(config, board)
    blocks = next((one.resources["dsp"].available for one in bitstreams() if one.board == board), 0)
    wanted = ((found.luts, there.luts, "LUTs (an estimate)"),
              (found.block_memories, there.block_memories, "block memories"),
              (dsps, blocks, "DSP blocks"))
    parts = [f"{taken:,} {what}, not the {most:,} of {board}" for taken, most, what in wanted
             if taken > most]
    return f"Engine would take {', '.join(parts)}" if parts else ""
