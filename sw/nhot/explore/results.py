"""What the jobs of a sweep give, as it is read back: files may have been changed by anyone."""

from __future__ import annotations

from dataclasses import dataclass

from nhot.contract.config import EngineConfig
from nhot.errors import NhotError
from nhot.trials import Rounded, Scored

__all__ = ["Clocked", "Held", "Measured", "Packed", "Placed"]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Of a network: the file of it, and its measure."""

    rounded: Rounded
    scored: Scored


@dataclass(frozen=True, kw_only=True)
class Held:
    """Of an engine: the smallest that holds a network, and the cycles of an inference."""

    config: EngineConfig
    cycles: int

    def __post_init__(self) -> None:
        _check("cycles", self.cycles)


@dataclass(frozen=True, kw_only=True)
class Packed:
    """Of a synthesis."""

    luts: int
    block_memories: int

    def __post_init__(self) -> None:
        _check("luts", self.luts)


@dataclass(frozen=True, kw_only=True)
class Placed(Packed):
    """Of a placement: also the frequency that was reached, and a clock that was met."""

    fmax_mhz: float
    clock_hz: int

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("fmax_mhz", self.fmax_mhz)
        _check("clock_hz", self.clock_hz)


@dataclass(frozen=True, kw_only=True)
class Clocked:
    """The highest clock for an engine on a board."""

    clock_hz: int

    def __post_init__(self) -> None:
        _check("clock_hz", self.clock_hz)


def _check(what: str, value: float) -> None:
    if not value > 0:
        raise NhotError(f"Result {what} must be above 0, not {value!r}")
