"""A study as a picture: the score against terms, bits and time, with the Pareto fronts."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nhot.experiments.studies.own.figures import COSTS, Line, points
from nhot.experiments.studies.record_plot import move_names_apart
from nhot.files import write_atomically
from nhot.report.sections import SHARES

__all__ = ["plot"]


def plot(lines: Sequence[Line], path: Path, title: str) -> None:
    """Draw all lines that have a cost; the dotted line is the original.

    The same lines give the same bytes. The kind of picture is that of the file's ending.
    """
    import matplotlib
    from matplotlib.figure import Figure

    buffer = io.BytesIO()
    kind = path.suffix.lstrip(".") or "svg"
    with matplotlib.rc_context({"svg.hashsalt": "nhot", "svg.fonttype": "none"}):
        figure = Figure(figsize=(11, 4), layout="constrained")
        panels = figure.subplots(1, len(COSTS), sharey=True)
        for axes, cost in zip(panels, COSTS, strict=True):
            _draw(axes, lines, cost)
        metric = lines[0].scored.metric
        panels[0].set_ylabel(f"{metric}, %" if metric in SHARES else metric)
        figure.suptitle(title, parse_math=False)
        move_names_apart(figure)
        # A picture has no date, so that it is the same tomorrow.
        figure.savefig(buffer, format=kind, metadata={"Date": None} if kind == "svg" else None)
    write_atomically(path, buffer.getvalue())


def _draw(axes: Any, lines: Sequence[Line], cost: str) -> None:
    known = points(lines, cost)
    front = sorted((value, _score(line)) for line, value in known if cost in line.fronts)
    axes.plot(*zip(*front, strict=True) if front else ([], []), color="C0", linewidth=1,
              drawstyle="steps-post")
    for line, value in known:
        best = cost in line.fronts
        axes.plot(value, _score(line), "o", color="C0", fillstyle="full" if best else "none")
        axes.text(value, _score(line), line.name, fontsize=8, parse_math=False)
    for line in lines:
        if line.bits is None:
            axes.axhline(_score(line), color="grey", linestyle=":", linewidth=1)
    axes.set_xlabel(COSTS[cost])
    axes.margins(x=0.2, y=0.15)
    axes.spines[["top", "right"]].set_visible(False)


def _score(line: Line) -> float:
    return line.scored.value * (100 if line.scored.metric in SHARES else 1)
