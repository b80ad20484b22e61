"""What compiler, host and gateware agree on: an engine's sizes, its program, words and cycles."""

from nhot.contract.config import EngineConfig

__all__ = ["EngineConfig"]
