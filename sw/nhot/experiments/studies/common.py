"""What several studies have: rows, layers that stay in eight bits, settings of CIFAR-10."""

from __future__ import annotations

from nhot.experiments.studies.study import Row

__all__ = [
    "CIFAR10_FLOAT", "CIFAR10_SCRATCH", "CIFAR10_TUNING", "FLOAT", "PARTS", "TUNED", "ends",
]

FLOAT = Row(name="float", format="", recipe="float")
"""What rows that are not trained from scratch begin with."""

TUNED = (
    Row(name="int8", format="int8", recipe="one-stage"),
    Row(name="int6", format="int6", recipe="one-stage"),
    Row(name="int5", format="int5", recipe="one-stage"),
    Row(name="int4", format="int4", recipe="one-stage"),
    Row(name="3hot", format="3hot", recipe="two-stage"),
    Row(name="2hot", format="2hot", recipe="two-stage"),
    Row(name="1hot", format="1hot", recipe="two-stage", note="powers of two in four bits"),
    Row(name="apot5", format="apot5", recipe="one-stage", note="additive powers of two"),
    Row(name="apot4", format="apot4", recipe="one-stage", note="additive powers of two"),
)
PARTS = (
    Row(name="2hot+", format="2hot+", recipe="two-stage", part="ablation",
        note="terms are never subtracted"),
    Row(name="2hot-one-stage", format="2hot", recipe="one-stage", part="ablation",
        note="one stage instead of two"),
    Row(name="2hot-per-layer", format="2hot", recipe="two-stage", options={"per_channel": False},
        part="ablation", note="a scale for each layer"),
    Row(name="2hot-searched", format="2hot", recipe="two-stage", options={"scale": "searched"},
        part="ablation", note="scales searched, not learned"),
    Row(name="2hot-power-of-two", format="2hot", recipe="two-stage",
        options={"scale": "power-of-two"}, part="ablation", note="scales are powers of two"),
    Row(name="signed-binary-schedule", format="signed-binary", recipe="from-scratch",
        options={"schedule": True}, part="ablation", note="gradient schedule"),
    Row(name="signed-binary-tiles", format="signed-binary/8", recipe="from-scratch",
        part="ablation", note="regions of 8 channels"),
    Row(name="signed-binary-sparse", format="signed-binary/8", recipe="from-scratch",
        options={"threshold": 0.12}, part="ablation", note="regions of 8 channels, threshold 0.12"),
)

CIFAR10_FLOAT = {
    "epochs": 12, "lr": 0.2, "batch": 128, "optimizer": "sgd", "weight_decay": 5e-4,
    "schedule": "one-cycle", "precision": "bf16",
}
CIFAR10_TUNING = {
    "epochs": 2, "lr": 1e-3, "batch": 128, "optimizer": "adam", "schedule": "one-cycle",
}
CIFAR10_SCRATCH = {
    "epochs": 10, "lr": 3e-2, "batch": 128, "optimizer": "adam", "schedule": "one-cycle",
}


def ends(shortcut: str = "0") -> dict[str, str]:
    """The layers of residual networks that the source of signed-binary does not round, in int8.

    The first, the last, and the 1x1 shortcuts, whose place in their block is ``shortcut``. The
    source's code keeps them in float.
    """
    stages = (f"layer{stage}.0.downsample.{shortcut}" for stage in (2, 3))
    return dict.fromkeys(("conv1", *stages, "fc"), "int8")
