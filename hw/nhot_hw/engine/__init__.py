"""The engine: a T x P x S array of multiplier-free lanes and everything that feeds it."""

from nhot_hw.engine.engine import Engine
from nhot_hw.engine.top import Top

__all__ = ["Engine", "Top"]
