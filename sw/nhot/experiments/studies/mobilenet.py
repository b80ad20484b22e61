"""A study where few bits cost most: depthwise filters of nine weights, on CIFAR-10."""

from __future__ import annotations

from nhot.experiments.studies.common import CIFAR10_FLOAT, CIFAR10_TUNING, FLOAT, PARTS, TUNED
from nhot.experiments.studies.study import Row, Study

__all__ = ["MOBILENET"]

ROWS = (
    FLOAT,
    *(row for row in TUNED if row.name in {"int8", "int4", "3hot", "2hot", "1hot", "apot4"}),
    Row(name="2hot/16", format="2hot/16", recipe="one-stage",
        note="15 levels of 2-hot, chosen for each layer, in four bits"),
    *(row for row in PARTS if row.name == "2hot-one-stage"),
    Row(name="1hot-one-stage", format="1hot", recipe="one-stage", part="ablation",
        note="one stage instead of two"),
)
MOBILENET = Study(
    name="cifar10-mobilenet", title="CIFAR-10, MobileNetV1-0.25", network="mobilenet-v1-0.25-32",
    data="cifar10", metric="accuracy", rows=ROWS,
    # In single precision: on a processor bfloat16 makes depthwise filters slower, not faster.
    float_training={key: value for key, value in CIFAR10_FLOAT.items() if key != "precision"},
    tuning=CIFAR10_TUNING,
    scratch={},
)
