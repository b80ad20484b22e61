"""The engines that networks are measured on: those of the committed bitstreams, and one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nhot.cli.target import read_config
from nhot.contract.config import EngineConfig
from nhot.report.collect import bitstreams

__all__ = ["Engine", "committed", "own"]


@dataclass(frozen=True, kw_only=True)
class Engine:
    """An engine, and what is known of its bitstream.

    Parameters
    ----------
    board, configuration : str
        The board is empty where none is meant.
    config : EngineConfig
    fmax_mhz : float, optional
        That place and route reached.
    luts : int, optional
        Logic cells on the iCE40, LUT4 of the ECP5 with those of carries, after packing.
    """

    board: str
    configuration: str
    config: EngineConfig
    fmax_mhz: float | None = None
    luts: int | None = None


def committed() -> list[Engine]:
    """Those of the bitstreams that come with the project, from their manifests."""
    return [
        Engine(
            board=one.board, configuration=one.configuration, config=one.config,
            fmax_mhz=one.engine_clock.fmax_mhz, luts=one.resources["lut4"].used,
        )
        for one in bitstreams()
    ]


def own(path: Path, *, board: str = "", fmax_mhz: float | None = None) -> Engine:
    """The engine of a configuration's file, with the clock that it is said to reach."""
    return Engine(
        board=board, configuration=path.stem, config=read_config(path), fmax_mhz=fmax_mhz
    )
