"""The engine: a T x P x S array of multiplier-free lanes and everything that feeds it."""

from nhot_hw.engine.engine import Engine

__all__ = ["Engine"]
