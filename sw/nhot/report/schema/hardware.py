"""A network as a memory image, and the engine that it is for."""

from __future__ import annotations

from dataclasses import dataclass

from nhot.errors import NhotError
from nhot.printable import shortened
from nhot.report.schema.parts import Counts, Made

__all__ = ["Build", "Image", "Memory"]


@dataclass(frozen=True, kw_only=True)
class Memory(Counts):
    """Words of a memory that the network takes, and those that there are."""

    name: str
    words: int
    depth: int


@dataclass(frozen=True, kw_only=True)
class Image(Counts):
    """A memory image: ``sha256`` is its content hash, ``cycles`` are predicted, by layer."""

    network: str
    sha256: str
    target_id: str
    format: str
    cycles: int
    layers: tuple[tuple[str, int], ...]
    memories: tuple[Memory, ...]
    board: str = ""
    configuration: str = ""
    clock_hz: int | None = None
    made: Made | None = None


@dataclass(frozen=True, kw_only=True)
class Build:
    """A bitstream, as its manifest has it: cells by kind as (used, available), clocks in MHz."""

    board: str
    configuration: str
    part: str
    target_id: str
    sha256: str
    fmax_mhz: float
    clock_mhz: float
    resources: dict[str, tuple[int, int]]
    tools: dict[str, str]

    def __post_init__(self) -> None:
        if self.fmax_mhz <= 0 or self.clock_mhz <= 0:
            raise NhotError(f"Clock must be above 0 MHz, not {min(self.fmax_mhz, self.clock_mhz)}")
        for name, (used, available) in self.resources.items():
            if used < 0 or available < 0:
                raise NhotError(f"Resource {shortened(name)} must be 0 or more, "
                                f"not {used} of {available}")
