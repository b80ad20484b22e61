"""What is known about a bitstream, as a file beside it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nhot.compiler.config import EngineConfig
from nhot.errors import NhotError
from nhot_hw.build.reports import Clock, Resource

__all__ = ["Manifest"]

_VERSION = 1


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
    def from_dict(cls, values: dict[str, Any]) -> "Manifest":
        """The inverse of :meth:`to_dict`; what is missing or of another version is named."""
        if values.get("version") != _VERSION:
            raise NhotError(
                f"Manifest version must be {_VERSION}, not {values.get('version')!r}"
            )
        fields = {}
        for name in cls.__dataclass_fields__:
            if name not in values:
                raise NhotError(f"Manifest must have the field {name!r}")
            fields[name] = values[name]
        fields["config"] = EngineConfig.from_dict(values["config"])
        fields["resources"] = {k: Resource(**row) for k, row in values["resources"].items()}
        fields["clocks"] = {k: Clock(**row) for k, row in values["clocks"].items()}
        return cls(**fields)

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """The manifest in a file."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise NhotError(f"Manifest {path} must be JSON: {error}") from None
        if not isinstance(values, dict):
            raise NhotError(f"Manifest {path} must be a JSON object, not {values!r}")
        return cls.from_dict(values)
