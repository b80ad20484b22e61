"""Which engine of the boards holds a network that another one refuses."""

from __future__ import annotations

from nhot.compiler.survey import survey
from nhot.compiler.targets import BOARDS, Target, target
from nhot.contract.config import EngineConfig
from nhot.errors import NhotError
from nhot.network import Network

__all__ = ["holds", "smallest_holder"]


def holds(network: Network, config: EngineConfig) -> bool:
    """Whether an engine has all that ``network`` asks of it."""
    try:
        return not any(demand.exceeds(config) for demand in survey(network, config).demands)
    except NhotError:  # an operator or weights that its lanes do not know
        return False


def smallest_holder(network: Network) -> Target | None:
    """The engine with the fewest lanes' inputs, of all that boards come with."""
    engines = [
        target(board.name, name) for board in BOARDS.values() for name in board.configurations
    ]
    return next(
        (
            engine for engine in sorted(engines, key=lambda engine: engine.config.macs)
            if holds(network, engine.config)
        ),
        None,
    )
