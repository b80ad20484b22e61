"""Records as a picture: the score against what a weight costs."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from nhot.errors import MissingToolError
from nhot.files import write_atomically
from nhot.studies.record import Record
from nhot.studies.study import Row, Study
from nhot.studies.table import by_row

__all__ = ["plot"]

FAMILIES = {
    "uniform": ("int",), "n-hot": ("1hot", "2hot", "3hot"), "additive powers": ("apot",),
    "ternary": ("ternary",), "binary": ("binary",), "signed-binary": ("signed-binary",),
}
"""Curves, and how the names of their rows begin."""

AXES: dict[str, Callable[[Record], float | None]] = {
    "shifted additions a multiply-accumulate, worst case": lambda record: record.most_terms,
    "terms a weight, mean": lambda record: record.terms_per_weight,
    "bits a weight": lambda record: record.bits_per_weight,
}


def plot(study: Study, records: Sequence[Record], path: Path) -> None:
    """Draw the rows of the first table, a curve for each family of formats, the mean of seeds.

    The same records give the same bytes. The kind of picture is that of the file's ending.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingToolError(
            "Pictures need the package matplotlib; run: pip install 'nhot[report]'"
        ) from None
    rows = by_row(study, records, "formats")
    with matplotlib.rc_context({"svg.hashsalt": study.name, "svg.fonttype": "none"}):
        figure = Figure(figsize=(11, 4), layout="constrained")
        for axes, (label, value) in zip(
            figure.subplots(1, len(AXES), sharey=True), AXES.items(), strict=True
        ):
            _draw(axes, rows, value)
            axes.set_xlabel(label)
        first = figure.axes[0]
        first.set_ylabel(f"{study.metric}, %")
        first.legend(frameon=False, loc="lower right")
        figure.suptitle(study.title)
        buffer = io.BytesIO()
        # A picture has no date, so that it is the same tomorrow.
        kind = path.suffix.lstrip(".") or "svg"
        figure.savefig(buffer, format=kind, metadata={"Date": None} if kind == "svg" else None)
    write_atomically(path, buffer.getvalue())


def _draw(
    axes: Any, rows: Sequence[tuple[Row, list[Record]]], value: Callable[[Record], float | None],
) -> None:
    for family, starts in FAMILIES.items():
        points = sorted(
            (x, score, row.name) for row, found in rows if row.name.startswith(starts)
            if (x := value(found[0])) is not None
            for score in [100 * fmean(record.score for record in found)]
        )
        if points:
            axes.plot([x for x, _, _ in points], [y for _, y, _ in points], "o-", label=family)
        for x, y, name in points:
            axes.annotate(name, (x, y), xytext=(4, 4), textcoords="offset points", fontsize=7)
    for row, found in rows:
        if row.recipe == "float":
            score = 100 * fmean(record.score for record in found)
            axes.axhline(score, color="grey", linestyle=":", linewidth=1, label=row.name)
    axes.spines[["top", "right"]].set_visible(False)
