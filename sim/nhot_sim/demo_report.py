"""What the demo shows at its end: tables on the terminal, and the data of the HTML page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nhot.cli.output import print_table
from nhot.cli.reporting import SIMULATION, TRAINING, image_entry, made, network_entry, scores
from nhot.compiler import Image
from nhot.experiments.data import load_digits
from nhot.experiments.data.dataset import to_integers
from nhot.experiments.tasks import DIGITS
from nhot.network.file import load
from nhot.printable import say
from nhot.report import Entry
from nhot.report.answers import answers_of
from nhot.report.collect import bitstreams
from nhot.report.schema import Link, Quantized, Run, Timed, Verified
from nhot_sim.demo import Outcome

__all__ = ["print_summary", "report"]

TRAINED_STAGES = ("float", "rounded", "finetuned")


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
        for m in bitstreams()
    ]
    if builds:
        say()
        heads = ["bitstream", "engine", "MAC/step", "LUT4", "Fmax MHz", "clock MHz"]
        print_table(heads, builds, numeric=heads[2:])


def report(outcome: Outcome, folder: Path) -> Entry:
    """What there is to report of one format's way."""
    image = Image.from_bytes((folder / "net.img").read_bytes())
    network = load(folder / "net.onnx")
    data = load_digits()
    inputs = to_integers(network.input, data.test_x)
    stages = {name: outcome.correct[name] / outcome.total for name in TRAINED_STAGES}
    now = made("demo", (*TRAINING, *SIMULATION))
    answers = answers_of(
        data.test_y, np.array(outcome.answers), 10, sample=lambda index: inputs[index],
    )
    ran = Run(
        place="virtual board", inputs=outcome.total, cycles=outcome.cycles, stalls=outcome.stalls,
        layers=tuple(Timed(name=layer.name, cycles=cycles) for layer, cycles in
                     zip(image.meta.layers, outcome.layer_cycles, strict=True)),
        identical=outcome.identical, answers=answers, made=now,
    )
    return replace(
        image_entry(image), network=network_entry(network, folder / "net.onnx").network,
        quantized=Quantized(
            data=DIGITS, metric="accuracy", scores=scores(stages, (data.test_x,)), made=now,
            settings={"format": outcome.format},
        ),
        verified=Verified(links=tuple(Link(**link) for link in outcome.links), made=now),
        runs=(ran,),
    )


def _weights(image: Image) -> dict[str, Any]:
    layers = image.meta.layers
    return {
        "weight_bits": image.config.weight_format.code_bits,
        "terms_per_weight": round(
            sum(layer.terms for layer in layers) / sum(layer.weights for layer in layers), 3
        ),
    }
