"""A board without a board: what it was loaded with, run in numpy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nhot.closing import Closing
from nhot.compiler import Image
from nhot.compiler.machine import Machine
from nhot.device import Result
from nhot.formats.format import Ints

__all__ = ["MachineBoard"]


class MachineBoard(Closing):
    """Runs what it was loaded with; ``flip`` breaks a weight on the way."""

    def __init__(self, *, flip: bool = False):
        self.flip, self.loads = flip, 0

    def close(self) -> None:
        """Nothing is held open."""

    def load(self, image: Image, **_: Any) -> None:
        """Count the loads; options of a board's are taken and none is followed."""
        self.loads += 1
        if self.flip:
            weights = bytearray(image.weights)
            weights[0] ^= 1
            image = replace(image, weights=bytes(weights))
        self.image = image

    def run(self, values: Ints) -> Result:
        """The outputs of inputs (height, width, channels), in one cycle."""
        made = Machine(self.image).run(values)
        return Result(outputs=made[self.image.meta.output.name], cycles=1, stalls=0)
