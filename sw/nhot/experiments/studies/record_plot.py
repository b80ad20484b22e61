"""Records as a picture: the score against what an inference costs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from nhot.experiments.studies.record import Record
from nhot.experiments.studies.study import Row, Study
from nhot.experiments.studies.table import by_row
from nhot.files import write_atomically

__all__ = ["move_names_apart", "plot"]

FAMILIES = {
    "uniform": ("int",), "n-hot": ("1hot", "2hot", "3hot"), "additive powers": ("apot",),
    "ternary": ("ternary",), "binary": ("binary",), "signed-binary": ("signed-binary",),
}
"""Colours, and how the names of their rows begin."""

AXES = {
    "shifted additions, worst case": "shift_adds",
    "shifted additions, mean": "mean_shift_adds",
    "bits of weights": "bits",
}
"""Costs of an inference, and what they are called in the counts of a record."""

CLOSE = 2.0
"""Points below the best row from which on rows have a panel, and a scale, of their own."""


class _Point(NamedTuple):
    name: str
    family: str
    costs: tuple[float, ...]
    scores: tuple[float, float, float]  # least, mean and greatest, in percent


def plot(study: Study, records: Sequence[Record], path: Path) -> None:
    """Draw the rows of the first table, bars from the least to the greatest score of the seeds.

    The dotted line is the float network. Rows far below the best are in panels of their own. The
    same records give the same bytes. The kind of picture is that of the file's ending.
    """
    import matplotlib

    rows = by_row(study, records, "formats")
    points = [_point(row, found) for row, found in rows if found[0].counts]
    floats = [fmean(_percent(found)) for row, found in rows if row.recipe == "float"]
    buffer = io.BytesIO()
    # A picture has no date, so that it is the same tomorrow.
    kind = path.suffix.lstrip(".") or "svg"
    with matplotlib.rc_context({"svg.hashsalt": study.name, "svg.fonttype": "none"}):
        figure = _figure(_bands(points, floats), floats, f"{study.metric}, %")
        figure.suptitle(study.title)
        move_names_apart(figure)
        figure.savefig(buffer, format=kind, metadata={"Date": None} if kind == "svg" else None)
    write_atomically(path, buffer.getvalue())


def _point(row: Row, records: Sequence[Record]) -> _Point:
    scores = _percent(records)
    return _Point(
        row.name,
        next((name for name, starts in FAMILIES.items() if row.name.startswith(starts)), ""),
        tuple(fmean(one.counts[name] for one in records) for name in AXES.values()),
        (min(scores), fmean(scores), max(scores)),
    )


def _percent(records: Sequence[Record]) -> list[float]:
    return [100 * record.score for record in records]


def _bands(points: Sequence[_Point], floats: Sequence[float]) -> list[list[_Point]]:
    """The points near the best score, then the others if there are any."""
    best = max([point.scores[1] for point in points] + list(floats), default=0.0)
    near = [point for point in points if point.scores[1] >= best - CLOSE]
    far = [point for point in points if point.scores[1] < best - CLOSE]
    return [near, far] if far else [near]


def _figure(bands: Sequence[Sequence[_Point]], floats: Sequence[float], score: str) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter, LogLocator

    figure = Figure(figsize=(11, 1 + 3 * len(bands)), layout="constrained")
    panels = figure.subplots(len(bands), len(AXES), sharex="col", sharey="row", squeeze=False)
    for cost, axes in enumerate(panels[-1]):
        costs = [point.costs[cost] for band in bands for point in band] or [1]
        axes.set_xscale("log")
        axes.set_xlim(min(costs) / 1.4, max(costs) * 1.7)  # names are to the right
    for row, band in zip(panels, bands, strict=True):
        row[0].set_ylabel(score)
        for cost, axes in enumerate(row):
            _draw(axes, band, cost)
    for axes in panels[0]:
        for value in floats:
            axes.axhline(value, color="grey", linestyle=":", linewidth=1)
    for axes, label in zip(panels[-1], AXES, strict=True):
        axes.set_xlabel(label)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_minor_formatter("")
    return figure


def _draw(axes: Any, points: Sequence[_Point], cost: int) -> None:
    """The points of a panel, each with its name beside it."""
    axes.margins(y=0.15)
    for point in points:
        x, (low, mean, high) = point.costs[cost], point.scores
        axes.errorbar(
            x, mean, [[mean - low], [high - mean]], fmt="o", elinewidth=0.8,
            color=f"C{list(FAMILIES).index(point.family)}" if point.family else "black",
        )
        axes.text(x, mean, point.name, fontsize=8)
    # At least a point from bottom to top, so that the noise of tenths does not look like more.
    bottom, top = axes.get_ylim()
    missing = max(0.0, 1 - (top - bottom)) / 2
    axes.set_ylim(bottom - missing, top + missing)
    axes.spines[["top", "right"]].set_visible(False)


def move_names_apart(figure: Any) -> None:
    """Put the texts of a figure where none lies on another."""
    import adjustText

    figure.draw_without_rendering()  # for the places that they have now
    for axes in figure.axes:
        adjustText.adjust_text(
            list(axes.texts), ax=axes, iter_lim=500, expand=(1.1, 1.4),
            arrowprops={"arrowstyle": "-", "color": "grey", "linewidth": 0.5},
        )
