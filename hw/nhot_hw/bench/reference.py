"""How fast the bit-exact reference runs, beside int8 in onnxruntime."""

import logging
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from nhot.network.counts import count
from nhot.progress import track
from nhot_hw.bench.inference import CASES, Case, measure, measure_onnxruntime

__all__ = ["COLUMNS", "Row", "compare", "legend"]

_log = logging.getLogger("nhot.bench")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One layer, in millions of multiply-accumulates a second."""

    case: Case
    macs: int
    reference: float
    onnxruntime: float

    @property
    def ratio(self) -> float:
        """Speed of onnxruntime as a multiple of the reference's."""
        return self.onnxruntime / self.reference

    def cells(self) -> list[str]:
        """The row of the table, in the order of :data:`COLUMNS`."""
        return [
            str(self.case), str(self.case.batch), f"{self.macs / 1e6:.2f}",
            f"{self.reference:.0f}", f"{self.onnxruntime:.0f}", f"{self.ratio:.1f}",
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "layer": str(self.case), "batch": self.case.batch, "macs": self.macs,
            "reference_mmacs": round(self.reference, 1),
            "onnxruntime_mmacs": round(self.onnxruntime, 1), "ratio": round(self.ratio, 2),
        }


COLUMNS = ("layer", "batch", "MMAC", "reference", "onnxruntime", "ratio")


def compare(cases: Iterable[Case] = CASES, *, seconds: float = 0.5) -> list[Row]:
    """Measure every layer in both, for so many seconds each, on the same inputs."""
    rows = []
    for case in track(list(cases), "reference", unit="layers"):
        network = case.network()
        options = {"batch": case.batch, "seconds": seconds}
        rows.append(Row(
            case=case, macs=count(network).macs, reference=measure(network, **options),
            onnxruntime=measure_onnxruntime(network, **options),
        ))
        _log.debug("%s", "  ".join(rows[-1].cells()))
    return rows


def legend() -> list[str]:
    """What the columns mean and what they were measured with, one sentence a line."""
    return [
        "MMAC: millions of multiply-accumulates of one inference, padding counted.",
        "reference, onnxruntime: MMAC/s, one thread each, the best run.",
        "The reference is exact; onnxruntime runs the same network file in int8.",
        f"{platform.machine()}, numpy {version('numpy')}, onnxruntime {version('onnxruntime')}.",
    ]
