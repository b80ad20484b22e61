"""A board that is asked for inferences, and the time that its own counter tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.mlperf.reading import Reading, Sample

if TYPE_CHECKING:
    from nhot.device import Board

__all__ = ["Inference"]


class Inference:
    """A board with a network, and a clock that the engine's counter of cycles drives.

    Parameters
    ----------
    board : Board
        Loaded.
    reading : Reading
        Of the network that the board's image was compiled from.
    clock_hz : int
        Of the engine.
    """

    def __init__(self, board: Board, reading: Reading, clock_hz: int) -> None:
        if clock_hz < 1:
            raise NhotError(f"Clock must be at least 1 Hz, not {clock_hz}")
        self.reading = reading
        self._board, self._clock_hz = board, clock_hz
        self._cycles = 0

    @property
    def microseconds(self) -> int:
        """Of all inferences so far: cycles that the engine counted, by its clock.

        It stands still between them, so that neither the serial line nor the host is timed.
        """
        return self._cycles * 1_000_000 // self._clock_hz

    def run(self, sample: Sample) -> Ints:
        """One inference on the board; what it gave (height, width, channels)."""
        result = self._board.run(sample.integers)
        self._cycles += int(result.cycles)
        return result.outputs
