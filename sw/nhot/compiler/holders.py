"""Which engine of the boards holds a network that another one refuses."""

from __future__ import annotations

from nhot.compiler.survey import survey
from nhot.compiler.targets import BOARDS, Target, target
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


def engines() -> list[Target]:
    """All that boards come with, that with the fewest lanes' inputs first."""
    known = [target(board.name, name) for board in BOARDS.values() for name in board.configurations]
    return sorted(known, key=lambda engine: engine.config.macs)


def smallest_holder(network: Network) -> Target | None:
    """The first of :func:`engines` that holds a network."""
    return next((engine for engine in engines() if holds(network, engine.config)), None)
