"""Engines made to measure for a network, which nobody has built, with estimates of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nhot.compiler.estimates import Estimate, estimate, has_estimates
from nhot.compiler.fit import fit
from nhot.compiler.targets import BOARDS
from nhot.errors import NhotError
from nhot.experiments.studies.own.candidates import Engine, Place
from nhot.network import Network
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
        if engine.board not in BOARDS or not has_estimates(engine.board):
            continue
        name = f"{engine.name} made to measure"
        try:
            config = fit(network, engine.config)
        except NhotError as error:
            refused[name] = Fitted(reason=str(error))
            continue
        found = estimate(config, engine.board)
        fitted = fit_network(network, config)
        reason = fitted.reason or _beyond(engine.board, found)
        if not reason:
            made = Engine(name=name, config=config, board=engine.board, estimate=found,
                          clock_hz=round(found.fmax_mhz * 1e6))
            return Place(engine=made, fitted=fitted, refused=refused)
        refused[name] = Fitted(reason=reason)
    return replace(tried, refused=refused)


def _beyond(board: str, found: Estimate) -> str:
    """What an engine takes that a board has not, in a sentence; nothing where it has all."""
    there = BOARDS[board].fpga
    wanted = ((found.luts, there.luts, "LUTs (an estimate)"),
              (found.block_memories, there.block_memories, "block memories"),
              (found.dsps, there.dsps, "DSP blocks"))
    parts = [f"{taken:,} {what}, not the {most:,} of {board}" for taken, most, what in wanted
             if taken > most]
    return f"Engine would take {', '.join(parts)}" if parts else ""
