"""Signed-binary beside binary at the same number of weights that are not zero, on CIFAR-10.

At length, with three seeds, and with nothing chosen on test images: rates, thresholds, regions and
schedules are tried in a quarter of the epochs, and chosen on 5,000 of the images to train on.
Binary networks are given the same rates to choose from.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nhot.experiments.studies.common import CIFAR10_FLOAT, CIFAR10_SCRATCH, FLOAT, ends
from nhot.experiments.studies.study import Row, Study

__all__ = ["SIGNED_BINARY"]

RATES = (3e-2, 1e-2)
DENSEST = 0.36
"""Of signed-binary, what its source has; a binary network of width 10 has 0.39 of the weights."""
PLUM = "resnet20-plum"
ENDS = {"": ends(), PLUM: ends("1")}


def _candidate(
    name: str, format: str, lr: float = RATES[0], *, width: int = 16, model: str = "",
    **options: Any,
) -> Row:
    return Row(
        name=name, format=format, recipe="from-scratch", settings={"lr": lr}, model=model,
        network={"width": width}, options={**options, "formats": ENDS[model]},
    )


def _rates(name: str, format: str, **values: Any) -> tuple[Row, ...]:
    return tuple(_candidate(f"{name}-rate-{lr}", format, lr, **values) for lr in RATES)


def _chosen(name: str, *candidates: Row, **values: Any) -> Row:
    return Row(name=name, format="", recipe="chosen", candidates=candidates, **values)


def _form(name: str, format: str, threshold: float, *others: float) -> tuple[Row, ...]:
    """Signed-binary with regions of one size: two rates, other thresholds, and a schedule."""
    return (
        *_rates(name, format, threshold=threshold),
        *(_candidate(f"{name}-threshold-{one}", format, threshold=one) for one in others),
        _candidate(f"{name}-schedule", format, threshold=threshold, schedule=True),
    )


# Thresholds in steps of 0.05 from the source's on; regions of both signs are denser at each.
FILTER = _form("sb-filter", "signed-binary", 0.05, 0.1)
EIGHT = _form("sb-8", "signed-binary/8", 0.15, 0.1, 0.2)
SIXTEEN = _form("sb-16", "signed-binary/16", 0.15, 0.1, 0.2)
OURS = (
    FLOAT,
    _chosen("binary", *_rates("b", "binary"), note="least squares"),
    _chosen("binary-width-10", *_rates("b-width-10", "binary", width=10),
            note="more weights that are not zero than signed-binary"),
    _chosen("binary-width-9", *_rates("b-width-9", "binary", width=9), note="fewer of them"),
    _chosen("ternary", *_rates("t", "ternary", rule="least-squares"), note="least squares"),
    _chosen("signed-binary", *FILTER, *EIGHT, *SIXTEEN, densest=DENSEST,
            note="the best of the three forms below"),
    _chosen("signed-binary-filter", *FILTER, densest=DENSEST, note="a sign a filter"),
    _chosen("signed-binary-8", *EIGHT, densest=DENSEST, note="regions of 8 channels"),
    _chosen("signed-binary-16", *SIXTEEN, densest=DENSEST, note="regions of 16 channels"),
    _chosen(
        "signed-binary-sparse",
        *(_candidate(f"sb-{tile}-threshold-{threshold}", f"signed-binary/{tile}",
                     threshold=threshold) for tile in (8, 16) for threshold in (0.25, 0.3)),
        densest=0.28, note="fewer weights that are not zero than binary-width-9",
    ),
)


def _published(suffix: str, part: str, **values: Any) -> tuple[Row, ...]:
    """Rows of the source's block."""
    found = {
        "plum-binary": _rates(f"plum-b{suffix}", "binary", **values),
        "plum-binary-width-10": _rates(f"plum-b-width-10{suffix}", "binary", width=10, **values),
        "plum-signed-binary-filter": _rates(
            f"plum-sb-filter{suffix}", "signed-binary", threshold=0.05, **values),
        "plum-signed-binary-8": _rates(
            f"plum-sb-8{suffix}", "signed-binary/8", threshold=0.15, **values),
    }
    return tuple(
        _chosen(f"{name}{suffix}", *candidates, part=part,
                densest=DENSEST if "signed" in name else 1.0)
        for name, candidates in found.items()
    )


ROWS = (
    *OURS,
    replace(FLOAT, name="plum-float", model=PLUM, part="plum"),
    *_published("", "plum", model=PLUM),
    *_published("-real", "plum-real", model=PLUM, bits=None),
)
SIGNED_BINARY = Study(
    name="cifar10-signed-binary", title="Signed-binary beside binary: CIFAR-10, ResNet-20",
    network="resnet20", data="cifar10", metric="accuracy", rows=ROWS,
    validation=5000, trial={"epochs": 15}, seeds=(1, 2, 3),
    float_training={**CIFAR10_FLOAT, "epochs": 60},
    tuning={},
    scratch={**CIFAR10_SCRATCH, "epochs": 60},
)
