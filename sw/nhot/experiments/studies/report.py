"""A record as an entry of a report."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from nhot.experiments.studies.record import Record
from nhot.experiments.studies.study import Study
from nhot.report.collect import made, settings
from nhot.report.schema import Entry, Layer, Network, Quantized, Score, Training

__all__ = ["entry"]


def entry(study: Study, record: Record) -> Entry:
    """What ``record`` says of a row: its scores, and the sums over its weights.

    Networks of a study are told apart by their records, whose hash stands for that of a file.
    """
    sha256 = hashlib.sha256(json.dumps(asdict(record), sort_keys=True).encode()).hexdigest()
    name = f"{record.row}, seed {record.seed}"
    how: dict[str, Any] = {
        "metric": record.metric, "data": study.data,
        "settings": settings({"study": study.name, "row": record.row, "seed": record.seed,
                              "epochs": record.epochs}),
        "made": made("study", ["torch"]),
    }
    last = Score(stage=record.row, value=record.score)
    if not record.counts:
        return Entry(training=Training(model=name, sha256=sha256, epochs=(), score=last, **how))
    counts = {what: record.counts[what] for what in ("weights", "bits", "terms", "macs")}
    trained = study.row(record.row).candidate(record.chosen)
    layer = Layer(name="all layers", operator="", output=(), format=trained.format,
                  **counts)
    scores = (*(Score(stage=stage, value=value) for stage, value in record.stages.items()), last)
    return Entry(
        network=Network(name=name, sha256=sha256, input=(), layers=(layer,), levels=()),
        quantized=Quantized(scores=scores, **how),
    )
