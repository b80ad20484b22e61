"""What is known about a bitstream, as a file beside it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from typing import Any

from nhot.contract.config import EngineConfig
from nhot.errors import NhotError
from nhot.printable import shortened
from nhot.schema import read_json

__all__ = ["Clock", "Manifest", "Resource"]

_VERSION = 1
_FASTEST = 10_000  # MHz, beyond any FPGA; what is far beyond overflows when it is multiplied


@dataclass(frozen=True, kw_only=True)
class Resource:
    """How much of one kind of cell a design takes."""

    used: int
    available: int

    def __post_init__(self) -> None:
        if not 0 <= self.used or not 0 <= self.available:
            raise NhotError(
                f"Cells must be 0 or more, not {self.used} used of {self.available} available"
            )


@dataclass(frozen=True, kw_only=True)
class Clock:
    """One clock of a placed and routed design, frequencies in MHz."""

    fmax_mhz: float
    target_mhz: float

    def __post_init__(self) -> None:
        for name in ("fmax_mhz", "target_mhz"):
            if not 0 < getattr(self, name) <= _FASTEST:
                raise NhotError(
                    f"Clock {name} must be above 0, at most {_FASTEST}, not {getattr(self, name)!r}"
                )

    @property
    def margin(self) -> float:
        """Part of the target by which the achieved frequency exceeds it; negative: too slow."""
        return self.fmax_mhz / self.target_mhz - 1


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One bitstream: what it is, what it was made from, what it takes and how fast it is.

    It follows from the inputs alone: no dates, no paths, the same bytes from the same sources.

    Parameters
    ----------
    board, configuration, part : str
    config : EngineConfig
    clock_hz, baud : int
    seed : int
    tools : dict
        Version by Python package.
    inputs_sha256 : str
        Of netlist, constraints, commands and tool versions.
    file, bytes, sha256 : str, int, str
        Name, size and hash of the bitstream.
    resources : dict of Resource
        What the design takes of the part after packing: lut4, ff, bram, dsp, ...
    clocks : dict of Clock
        By name of the net.
    """

    board: str
    configuration: str
    part: str
    config: EngineConfig
    clock_hz: int
    baud: int
    seed: int
    tools: dict[str, str]
    inputs_sha256: str
    file: str
    bytes: int
    sha256: str
    resources: dict[str, Resource]
    clocks: dict[str, Clock]

    def __post_init__(self) -> None:
        for name in ("clock_hz", "baud", "bytes"):
            if getattr(self, name) < 1:
                raise NhotError(f"Bitstream {name} must be at least 1, not {getattr(self, name)}")
        _ = self.engine_clock  # there must be one

    @property
    def engine_clock(self) -> Clock:
        """The clock that the engine runs on."""
        for clock in self.clocks.values():
            if abs(clock.target_mhz * 1e6 / self.clock_hz - 1) < 0.001:
                return clock
        raise NhotError(
            f"Manifest must have a clock of {self.clock_hz / 1e6:g} MHz, "
            f"not {', '.join(f'{clock.target_mhz:g}' for clock in self.clocks.values()) or 'none'}"
        )

    def to_json(self) -> str:
        """Text of the file: sorted keys, a newline at the end."""
        return json.dumps(self.to_dict(), sort_keys=True, indent=2) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with what follows from others spelled out for readers."""
        engine = self.engine_clock
        return {
            **asdict(self), "version": _VERSION, "target_id": f"{self.config.target_id:#010x}",
            "macs_per_step": self.config.macs,
            "clock": {**asdict(engine), "margin": round(engine.margin, 3)},
        }

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Manifest:
        """The manifest in a file; what follows from other fields must be what it says."""
        file = read_json(_File, path, "Manifest", version=_VERSION)
        manifest = cls(**{one.name: getattr(file, one.name) for one in fields(cls)})
        found = asdict(file)
        for name, value in manifest.to_dict().items():
            if found[name] != value:
                raise NhotError(f"Manifest {str(path)!r} {name} must be {value!r}, which follows "
                                f"from the rest, not {shortened(found[name])}")
        return manifest


@dataclass(frozen=True, kw_only=True)
class _EngineClock:
    fmax_mhz: float
    target_mhz: float
    margin: float


@dataclass(frozen=True, kw_only=True)
class _File(Manifest):
    """The fields of a file: those of a manifest, and what follows from them."""

    version: int
    target_id: str
    macs_per_step: int
    clock: _EngineClock
