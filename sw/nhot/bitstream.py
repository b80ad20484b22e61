"""What is known about a bitstream, as a file beside it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from statistics import median
from typing import Any

from nhot.contract.config import EngineConfig
from nhot.errors import NhotError
from nhot.printable import shortened
from nhot.schema import read_json

__all__ = ["Clock", "Manifest", "Resource", "Sweep"]

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
class Sweep:
    """How fast the engine came out with each of several seeds, the fastest of which was kept.

    Parameters
    ----------
    first : int
        The first seed; the others follow it one by one.
    fmax_mhz : tuple of float or None
        Of the engine's clock, for each seed; None where place and route failed.
    """

    first: int
    fmax_mhz: tuple[float | None, ...]

    def __post_init__(self) -> None:
        if not self.routed or not all(0 < value <= _FASTEST for value in self.routed):
            raise NhotError(
                f"Sweep fmax_mhz must have a frequency, and each above 0, at most {_FASTEST}, "
                f"not {shortened(list(self.fmax_mhz))}"
            )

    @property
    def routed(self) -> list[float]:
        """The frequencies of the seeds that did not fail, in MHz."""
        return [value for value in self.fmax_mhz if value is not None]

    @property
    def spread(self) -> dict[str, float]:
        """Least, median and greatest frequency in MHz."""
        values = self.routed
        return {"min_mhz": min(values), "median_mhz": round(median(values), 2),
                "max_mhz": max(values)}

    def of(self, seed: int) -> float | None:
        """The frequency that ``seed`` reached; None also where it is none of the sweep."""
        at = seed - self.first
        return self.fmax_mhz[at] if 0 <= at < len(self.fmax_mhz) else None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One bitstream: what it is, what it was made from, what it takes and how fast it is.

    It follows from the inputs alone: no dates, no paths, the same bytes from the same sources.

    Parameters
    ----------
    board, configuration, part : str
    config : EngineConfig
    clock_hz, baud : int
    boot : bool
        Whether it loads itself from the board's flash.
    patchable : bool
        Whether its memories hold placeholders, in the place of which a network can be put.
    image : str, optional
        Content hash of the image that its memories hold at power-up.
    seed : int
        Of the placer; the bitstream follows from it, however it was chosen.
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
    sweep : Sweep, optional
        What ``seed`` was chosen from.
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
    sweep: Sweep | None = None
    boot: bool = False
    patchable: bool = False
    image: str | None = None

    def __post_init__(self) -> None:
        for name in ("clock_hz", "baud", "bytes"):
            if getattr(self, name) < 1:
                raise NhotError(f"Bitstream {name} must be at least 1, not {getattr(self, name)}")
        reached = self.engine_clock.fmax_mhz  # there must be one
        if self.sweep is not None and self.sweep.of(self.seed) != reached:
            raise NhotError(f"Manifest sweep must have {reached:g} MHz for seed {self.seed}, "
                            f"not {self.sweep.of(self.seed)}")

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
        values = asdict(self)
        for name in ("boot", "patchable", "image"):
            if not values[name]:  # a bitstream without is what it was before there was any
                del values[name]
        if self.sweep is None:
            del values["sweep"]
        else:
            values["spread"] = self.sweep.spread
        return {
            **values, "version": _VERSION, "config": self.config.sizes(),
            "target_id": f"{self.config.target_id:#010x}",
            "macs_per_step": self.config.macs,
            "clock": {**asdict(engine), "margin": round(engine.margin, 3)},
        }

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Manifest:
        """The manifest in a file; what follows from other fields must be what it says."""
        file = read_json(_File, path, "Manifest", version=_VERSION)
        manifest = cls(**{one.name: getattr(file, one.name) for one in fields(cls)})
        found = {**asdict(file), "config": file.config.sizes()}
        for name, value in {"spread": None, **manifest.to_dict()}.items():
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
class _Spread:
    min_mhz: float
    median_mhz: float
    max_mhz: float


@dataclass(frozen=True, kw_only=True)
class _File(Manifest):
    """The fields of a file: those of a manifest, and what follows from them."""

    version: int
    target_id: str
    macs_per_step: int
    clock: _EngineClock
    spread: _Spread | None = None
