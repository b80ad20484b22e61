"""A study where few bits cost most: depthwise filters of nine weights, on CIFAR-10."""

from __future__ import annotations

from nhot.experiments.studies.study import Row, Study

__all__ = ["MOBILENET"]

ROWS = (
    Row(name="float", format="", recipe="float"),
    Row(name="int8", format="int8", recipe="one-stage"),
    Row(name="int4", format="int4", recipe="one-stage"),
    Row(name="3hot", format="3hot", recipe="two-stage"),
    Row(name="2hot", format="2hot", recipe="two-stage"),
    Row(name="1hot", format="1hot", recipe="two-stage", note="powers of two in four bits"),
    Row(name="apot4", format="apot4", recipe="one-stage", note="additive powers of two"),
    Row(name="2hot/16", format="2hot/16", recipe="one-stage",
        note="15 levels of 2-hot, chosen for each layer, in four bits"),
    Row(name="2hot-one-stage", format="2hot", recipe="one-stage", part="ablation",
        note="one stage instead of two"),
    Row(name="1hot-one-stage", format="1hot", recipe="one-stage", part="ablation",
        note="one stage instead of two"),
)
MOBILENET = Study(
    name="cifar10-mobilenet", title="CIFAR-10, MobileNetV1-0.25", network="mobilenet-v1-0.25-32",
    data="cifar10", metric="accuracy", rows=ROWS,
    # In single precision: on a processor bfloat16 makes depthwise filters slower, not faster.
    float_training={
        "epochs": 12, "lr": 0.2, "batch": 128, "optimizer": "sgd", "weight_decay": 5e-4,
        "schedule": "one-cycle",
    },
    tuning={"epochs": 2, "lr": 1e-3, "batch": 128, "optimizer": "adam", "schedule": "one-cycle"},
    scratch={},
)
"""Settings are those of the residual networks on the same data, but for the precision."""
