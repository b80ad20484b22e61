"""What repetition and sparsity are worth: additions of an output, dense, sparse and shared."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from nhot.experiments.studies.record import Record
from nhot.experiments.studies.study import Study
from nhot.experiments.studies.table import by_row

__all__ = ["HEADS", "work"]

HEADS = (
    "row", "score", "dense", "zeros skipped", "sums shared", "as a subset", "least",
    "least, an inference",
)

WAYS = ("dense", "sparse", "shared", "subset")


def work(study: Study, records: Sequence[Record]) -> str:
    """Rows whose additions were counted, in Markdown: additions an output, means over the seeds.

    The last column is for comparing networks of different widths: thousands an inference.
    """
    counted = [one for one in records if one.additions]
    lines = [f"| {' | '.join(HEADS)} |", f"|{'|'.join([' --- '] + [' ---: '] * (len(HEADS) - 1))}|"]
    for part in dict.fromkeys(row.part for row in study.rows):
        for row, found in by_row(study, counted, part):
            lines.append(f"| {' | '.join([row.name, *_cells(found)])} |")
    return "\n".join(lines) + "\n"


def _cells(records: Sequence[Record]) -> list[str]:
    score = fmean(one.score for one in records)
    ways = [_each(records, way) for way in WAYS]
    least = min(value for value in ways if value)
    thousands = fmean(min(filter(None, map(one.additions.get, WAYS))) for one in records) / 1000
    return [f"{100 * score:.2f} %", *(f"{value:.1f}" if value else "" for value in ways),
            f"{least:.1f}", f"{thousands:,.1f} k"]


def _each(records: Sequence[Record], way: str) -> float:
    return fmean(one.additions[way] / one.additions["sums"] for one in records)
