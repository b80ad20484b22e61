"""The studies by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nhot.errors import NhotError
from nhot.experiments.studies.beside_binary import SIGNED_BINARY
from nhot.experiments.studies.common import (
    CIFAR10_FLOAT,
    CIFAR10_SCRATCH,
    CIFAR10_TUNING,
    FLOAT,
    PARTS,
    TUNED,
    ends,
)
from nhot.experiments.studies.mobilenet import MOBILENET
from nhot.experiments.studies.study import Row, Study

__all__ = ["NAMES", "STUDIES", "study"]

SCRATCH = (
    Row(name="ternary", format="ternary", recipe="from-scratch", options={"rule": "least-squares"},
        note="least squares"),
    Row(name="ternary-twn", format="ternary", recipe="from-scratch", options={"rule": "twn"},
        note="TWN thresholds"),
    Row(name="binary", format="binary", recipe="from-scratch", note="least squares"),
    Row(name="signed-binary", format="signed-binary", recipe="from-scratch", note="PLUM"),
)
UNTRAINED = (
    Row(name="2hot-rounded", format="2hot", recipe="rounded", part="post-training"),
    Row(name="2hot-bias", format="2hot", recipe="bias-corrected", part="post-training",
        note="ranges fitted, bias corrected"),
    Row(name="2hot-adaptive", format="2hot", recipe="adaptive", part="post-training",
        note="adaptive rounding too"),
    Row(name="1hot-rounded", format="1hot", recipe="rounded", part="post-training"),
    Row(name="1hot-bias", format="1hot", recipe="bias-corrected", part="post-training",
        note="ranges fitted, bias corrected"),
    Row(name="1hot-adaptive", format="1hot", recipe="adaptive", part="post-training",
        note="adaptive rounding too"),
)
FEW_TERMS = tuple(
    replace(row, name=f"{row.name}-requant{terms}", part="requantisation",
            options={**row.options, "requant_terms": terms},
            note=f"multipliers of {count}")
    for row in (*TUNED, *SCRATCH, *UNTRAINED)
    if row.name in {"int8", "2hot", "1hot", "signed-binary", "2hot-bias"}
    for terms, count in ((2, "two terms"), (1, "one term: shifts"))
)
FEW_TERMS_IN = tuple(
    replace(row, name=f"{row.name}-inputs-{terms}hot", part="activations",
            options={**row.options, "activation_terms": terms},
            note=f"activations of {count} terms")
    for row in TUNED if row.name in {"int8", "2hot"}
    for terms, count in ((3, "three"), (2, "two"))
)
NARROW = Row(
    name="binary-narrow", format="binary", recipe="from-scratch", network={"width": 9},
    note="as many weights as signed-binary has that are not zero",
)
WIDER = Row(
    name="binary-width-10", format="binary", recipe="from-scratch", network={"width": 10},
    part="ablation", note="as many weights as signed-binary-tiles has that are not zero",
)
NARROWER = tuple(
    Row(name=f"{format}-width-{width}", format=format, recipe="from-scratch",
        network={"width": width}, part="ablation", note="narrower, for equal accuracy")
    for format, width in (("binary", 12), ("binary", 14), ("ternary", 9), ("ternary", 12))
)
ALL_LAYERS = Row(
    name="signed-binary-all", format="signed-binary", recipe="from-scratch", part="ablation",
    note="first, last and shortcuts too",
)


def _with_ends(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Rows that are trained from random weights, with the layers of :func:`ends` in eight bits."""
    return tuple(
        replace(row, options={**row.options, "formats": ends()})
        if row.recipe == "from-scratch" else row for row in rows
    )


CIFAR10: dict[str, Any] = {
    "data": "cifar10", "metric": "accuracy",
    "rows": (
        FLOAT, *TUNED, *_with_ends((*SCRATCH, NARROW, *PARTS, WIDER, *NARROWER)), ALL_LAYERS,
        *UNTRAINED, *_with_ends(FEW_TERMS), *FEW_TERMS_IN,
    ),
    "float_training": CIFAR10_FLOAT, "tuning": CIFAR10_TUNING, "scratch": CIFAR10_SCRATCH,
}
DETECTION = (
    FLOAT,
    *(row for row in (*TUNED, *PARTS) if row.name in {
        "int8", "2hot", "1hot", "2hot+", "2hot-one-stage", "2hot-per-layer",
    }),
)
BCCD: dict[str, Any] = {
    "network": "centernet", "options": {"classes": 3}, "data": "coco", "metric": "mAP",
    "rows": DETECTION,
    "float_training": {
        "epochs": 100, "lr": 2e-3, "batch": 8, "optimizer": "adamw", "weight_decay": 1e-2,
        "schedule": "one-cycle", "precision": "bf16",
    },
    "tuning": {
        "epochs": 16, "lr": 5e-4, "batch": 8, "optimizer": "adam", "schedule": "one-cycle",
        "freeze_statistics": True,
    },
    "scratch": {},
}
STUDIES = {
    one.name: one for one in (
        Study(name="cifar10-resnet8", title="CIFAR-10, ResNet-8", network="resnet8", **CIFAR10),
        Study(name="cifar10-resnet20", title="CIFAR-10, ResNet-20", network="resnet20", **CIFAR10),
        SIGNED_BINARY, MOBILENET,
        Study(name="bccd-centernet", title="Blood cells (BCCD), CenterNet on MobileNetV2", **BCCD),
        Study(name="bccd-folds", title="Blood cells (BCCD) in five folds, CenterNet on MobileNetV2",
              folds=5, **BCCD),
        Study(
            name="digits", title="Digits", network="digits", data="digits", metric="accuracy",
            rows=(FLOAT, *TUNED, *SCRATCH, *PARTS, *UNTRAINED, *FEW_TERMS),
            float_training={
                "epochs": 20, "lr": 1e-2, "batch": 64, "optimizer": "adam",
                "schedule": "one-cycle",
            },
            tuning={
                "epochs": 16, "lr": 2e-3, "batch": 64, "optimizer": "adam", "schedule": "one-cycle",
            },
            scratch={
                "epochs": 80, "lr": 6e-2, "batch": 128, "optimizer": "adam",
                "schedule": "one-cycle",
            },
        ),
    )
}
NAMES = tuple(STUDIES)


def study(name: str) -> Study:
    """The study called ``name``."""
    if name not in STUDIES:
        raise NhotError(f"Study must be one of {', '.join(NAMES)}, not {name!r}")
    return STUDIES[name]
