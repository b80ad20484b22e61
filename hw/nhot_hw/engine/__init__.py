"""The engine: a T x P x S array of multiplier-free lanes and everything that feeds it.

It knows nothing of what brings its bytes: :mod:`nhot_hw.io` puts it behind a serial port.
"""

from nhot_hw.engine.engine import Engine

__all__ = ["Engine"]
