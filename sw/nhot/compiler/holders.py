"""Which engine of the boards holds a network that another one refuses."""

from __future__ import annotations

from nhot.compiler.survey import survey
from nhot.compiler.targets import BOARDS, Target, board, target
from nhot.contract.config import EngineConfig
from nhot.errors import NhotError
from nhot.network import Network

__all__ = ["engines", "holds", "smallest_holder"]


def holds(network: Network, config: EngineConfig) -> bool:
    """Whether an engine has all that ``network`` asks of it."""
    try:
        return not any(demand.exceeds(config) for demand in survey(network, config).demands)
    except NhotError:  # an operator or weights that its lanes do not know
        return False


def engines(board_name: str | None = None) -> list[Target]:
    """Those that a board comes with, that with the fewest lanes' inputs first.

    Of all boards unless one is named; then what several come with is there once, for the first.
    """
    boards = BOARDS.values() if board_name is None else [board(board_name)]
    known: dict[EngineConfig, Target] = {}
    for one in boards:
        for name, (_, config) in one.configurations.items():
            known.setdefault(config, target(one.name, name))
    return sorted(known.values(), key=lambda engine: engine.config.macs)


def smallest_holder(network: Network) -> Target | None:
    """The first of :func:`engines` that holds a network."""
    return next((engine for engine in engines() if holds(network, engine.config)), None)
