"""Points as a picture: the measure against LUTs and against inferences a second."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nhot.explore.point import Point
from nhot.explore.sweep import Found
from nhot.files import write_atomically
from nhot.report.sections import SHARES

__all__ = ["plot"]

_ACROSS = {"LUTs": lambda point: point.luts, "inferences a second": lambda point: point.rate}
"""What a measure is set against."""

_MARKERS = "osD^vP"


def plot(found: Found, path: Path, title: str) -> None:
    """Draw all points; those of the front are filled, and the dotted line is the original.

    A colour is a format, a marker a board. The same points give the same bytes. The kind of picture
    is that of the file's ending.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter, LogLocator

    buffer = io.BytesIO()
    kind = path.suffix.lstrip(".") or "svg"
    with matplotlib.rc_context({"svg.hashsalt": "nhot", "svg.fonttype": "none"}):
        figure = Figure(figsize=(11, 5), layout="constrained")
        panels = figure.subplots(1, len(_ACROSS), sharey=True)
        metric = found.original.metric
        for axes, (what, cost) in zip(panels, _ACROSS.items(), strict=True):
            _draw(axes, found, cost)
            axes.set_xlabel(what)
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
            axes.xaxis.set_minor_formatter("")
        panels[0].set_ylabel(f"{metric}, %" if metric in SHARES else metric)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", fontsize=8)
        figure.suptitle(title, parse_math=False)
        # A picture has no date, so that it is the same tomorrow.
        figure.savefig(buffer, format=kind, metadata={"Date": None} if kind == "svg" else None)
    write_atomically(path, buffer.getvalue())


def _draw(axes: Any, found: Found, cost: Any) -> None:
    front = found.front
    formats = list(dict.fromkeys(point.rounding.format for point in found.points))
    boards = list(dict.fromkeys(point.board for point in found.points))
    for name in formats:
        for board in boards:
            some = [one for one in found.points
                    if (one.rounding.format, one.board) == (name, board)]
            style = {"color": f"C{formats.index(name) % 10}", "linestyle": "",
                     "marker": _MARKERS[boards.index(board) % len(_MARKERS)], "markersize": 5}
            if not some:
                continue
            best = [one for one in some if one in front]
            axes.plot(*_places(some, cost), fillstyle="none", alpha=0.6, **style)
            axes.plot(*_places(best, cost), label=f"{name}, {board}", **style)
    axes.axhline(_height(found.original.value, found.original.metric), color="grey",
                 linestyle=":", linewidth=1)
    axes.set_xscale("log")
    axes.margins(x=0.1, y=0.1)
    axes.spines[["top", "right"]].set_visible(False)


def _places(points: Sequence[Point], cost: Any) -> tuple[list[float], list[float]]:
    return ([cost(point) for point in points],
            [_height(point.scored.value, point.scored.metric) for point in points])


def _height(value: float, metric: str) -> float:
    return 100 * value if metric in SHARES else value
