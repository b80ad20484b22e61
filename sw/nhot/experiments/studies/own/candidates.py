"""The engines that a network may be put on, and the smallest that holds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nhot.compiler.estimates import Estimate
from nhot.compiler.holders import engines
from nhot.contract.config import EngineConfig
from nhot.network import Filters, Network
from nhot.report.collect import known_build
from nhot.report.schema import Build
from nhot.trials import Fitted, fit_network

__all__ = ["Engine", "Place", "board_engines", "place"]

_SIZES = {
    "activation_words": "activations too large", "weight_words": "too many weights",
    "requant_words": "too many filters", "program_words": "too many layers",
    "accumulator_bits": "sums too wide", "product_bits": "products too wide",
}
"""What is too much for an engine of which a size is too small."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One engine.

    Parameters
    ----------
    name : str
        For people: board and configuration, or the file that it is from.
    config : EngineConfig
    board : str
        Empty where it is of none.
    clock_hz : int, optional
        That it runs at; None where nobody has built it.
    build : Build, optional
        Its bitstream, if the project has one.
    estimate : Estimate, optional
        In place of it, of an engine that nobody has built.
    """

    name: str
    config: EngineConfig
    board: str = ""
    clock_hz: int | None = None
    build: Build | None = None
    estimate: Estimate | None = None

    @property
    def luts(self) -> int | None:
        """Look-up tables that it takes, as its bitstream's manifest or the estimate has them."""
        if self.estimate is not None:
            return self.estimate.luts
        cells = self.build.resources.get("lut4") if self.build else None
        return None if cells is None else cells[0]

    @property
    def dsps(self) -> int:
        """DSP blocks, beside them; engines that have been built take none."""
        return self.estimate.dsps if self.estimate else 0

    @property
    def fmax_mhz(self) -> float | None:
        """What its clock could be, by the same."""
        if self.estimate is not None:
            return self.estimate.fmax_mhz
        return self.build.fmax_mhz if self.build else None

    @classmethod
    def of(cls, name: str, config: EngineConfig) -> Engine:
        """The engine of ``config``, at the clock of its bitstream if there is one."""
        build = known_build(config)
        clock_hz = None if build is None else round(build.clock_mhz * 1e6)
        return cls(name=name, config=config, clock_hz=clock_hz, build=build)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a network has room.

    Parameters
    ----------
    engine : Engine, optional
        The first that holds it; None if none does.
    fitted : Fitted, optional
        What it makes of it.
    refused : dict of Fitted
        By name of each engine that was tried before: why it does not hold it.
    """

    engine: Engine | None = None
    fitted: Fitted | None = None
    refused: dict[str, Fitted] = field(default_factory=dict)

    @property
    def nearest(self) -> tuple[str, Fitted] | None:
        """Where none holds it, the engine that comes nearest: the last that lacks but sizes, or
        else the last one."""
        if self.engine is not None or not self.refused:
            return None
        sizes = [one for one in self.refused.items() if one[1].lacks]
        return (sizes or [*self.refused.items()])[-1]

    @property
    def why_not(self) -> str:
        """Why none holds it, in some words; empty where one does."""
        if self.nearest is None:
            return ""
        lacks = [_SIZES.get(size, size) for size in self.nearest[1].lacks]
        return ", ".join(lacks) or "no lanes for it"


def board_engines(name: str | None = None, configuration: str | None = None) -> list[Engine]:
    """The engines that come with boards, or with one board, the smallest first."""
    return [
        Engine(name=f"{one.board} {one.configuration}", config=one.config, board=one.board,
               clock_hz=one.clock_hz, build=known_build(one.config, one.board))
        for one in engines(name) if configuration in {None, one.configuration}
    ]


def place(network: Network, engines: Sequence[Engine]) -> Place:
    """The first of ``engines`` that holds ``network``.

    Engines of one board are tried together, those with lanes of one of its formats first: a network
    of signed-binary weights would have room on 2-hot lanes, too.
    """
    refused: dict[str, Fitted] = {}
    formats = {node.format.name for node in network.nodes if isinstance(node, Filters)}
    boards = [engine.board for engine in engines]
    for engine in sorted(engines, key=lambda one: (boards.index(one.board),
                                                   one.config.format not in formats)):
        fitted = fit_network(network, engine.config)
        if fitted.fits:
            return Place(engine=engine, fitted=fitted, refused=refused)
        refused[engine.name] = fitted
    return Place(refused=refused)
