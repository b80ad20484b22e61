"""Records as a table for people: a line for each row, the mean over its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from nhot.experiments.studies.record import Record
from nhot.experiments.studies.study import Row, Study

__all__ = ["HEADS", "by_row", "cells", "table"]

HEADS = (
    "row", "score", "rounded", "bits/weight", "adds/MAC", "terms/weight", "density", "epochs",
    "seeds", "note",
)
CHOICE = ("validation", "chosen")
"""Further ones of a study with samples for validation."""


def table(study: Study, records: Sequence[Record], part: str) -> str:
    """The rows of ``part`` that have records, as Markdown."""
    heads, rules = [*HEADS], [" --- ", *[" ---: "] * 8, " --- "]
    if study.validation:
        heads, rules = [*heads, *CHOICE], [*rules, " ---: ", " --- "]
    lines = [f"| {' | '.join(heads)} |", f"|{'|'.join(rules)}|"]
    for row, found in by_row(study, records, part):
        each = cells(row, found) + (_choice(found) if study.validation else [])
        lines.append(f"| {' | '.join(each)} |")
    return "\n".join(lines) + "\n"


def by_row(
    study: Study, records: Sequence[Record], part: str
) -> list[tuple[Row, list[Record]]]:
    """The records of each row of ``part`` that has some, in the order of the rows."""
    rows = [
        (row, [one for one in records if (one.study, one.row) == (study.name, row.name)])
        for row in study.rows if row.part == part
    ]
    return [(row, sorted(found, key=lambda one: one.seed)) for row, found in rows if found]


def cells(row: Row, records: Sequence[Record]) -> list[str]:
    """What :data:`HEADS` names, as text; a score of several seeds with its least and greatest."""
    first = records[0]
    rounded = [one.stages["rounded"] for one in records if "rounded" in one.stages]
    return [
        row.name, _score([one.score for one in records]) + _average_precision(records),
        f"{100 * fmean(rounded):.2f} %" if rounded else "",
        _number(first.bits_per_weight), _number(first.most_terms),
        _mean([one.terms_per_weight for one in records]),
        _mean([one.density for one in records]), str(first.epochs), str(len(records)), row.note,
    ]


def _choice(records: Sequence[Record]) -> list[str]:
    """The score on samples for validation, and which of how many candidates it was."""
    known = [one.validation for one in records if one.validation is not None]
    chosen = ", ".join(sorted({
        f"{one.chosen}, of {len(one.candidates)}" for one in records if one.chosen
    }))
    return [_score(known) if known else "", chosen]


def _score(scores: Sequence[float]) -> str:
    mean = f"{100 * fmean(scores):.2f} %"
    if len(scores) == 1:
        return mean
    return f"{mean} ({100 * min(scores):.2f} to {100 * max(scores):.2f})"


def _average_precision(records: Sequence[Record]) -> str:
    """Of detections at half overlap, which people compare besides the mean over overlaps."""
    found = [one.average_precision for one in records if one.average_precision is not None]
    return f", AP50 {100 * fmean(found):.2f} %" if found else ""


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return _number(fmean(known)) if known else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
