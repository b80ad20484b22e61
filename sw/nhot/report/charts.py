"""Charts of HTML and SVG that are as wide as the page and keep their text readable.

Names and figures are text of the page, marks are placed in percent; so a chart is right on a
telephone and in print, takes the page's colours, and needs no script.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nhot.report.axis import Axis, amount_axis, log_axis, score_axis
from nhot.report.table import number, plain

__all__ = ["Mark", "curve", "histogram", "rows"]

Text = Callable[[float], str]


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A row of a chart: a value, how it is written (HTML), and what chance leaves open of it."""

    name: str
    value: float
    text: str
    low: float | None = None
    high: float | None = None


def rows(marks: Sequence[Mark], axis: Axis, tick: Text, caption: str = "") -> str:
    """One line a mark: a bar where the axis begins at zero, else a dot with its range.

    ``tick`` writes a value of the axis; what it gives and ``caption`` are HTML.
    """
    lines = [
        f'<div class="row"><span class="name">{plain(mark.name)}</span>'
        f'<span class="track">{_grid(axis)}{_mark(mark, axis)}</span>'
        f'<span class="value">{mark.text}</span></div>' for mark in marks
    ]
    note = f'<p class="caption">{caption}</p>' if caption else ""
    return (
        f'<div class="rows">{"".join(lines)}<div class="row axis" aria-hidden="true">'
        f'<span class="name"></span><span class="track">{_labels(axis, tick)}</span>'
        f'<span class="value"></span></div></div>{note}'
    )


def histogram(places: Sequence[int], counts: Sequence[int]) -> str:
    """A bar on each place, as high as its count; ticks below mark all places."""
    span = max(places[-1] - places[0], 1)
    gaps = [b - a for a, b in itertools.pairwise(places)]
    width = max(100 / (span + max(gaps, default=1)) * min(gaps, default=1) * 0.8, 0.55)
    most = max(counts) or 1
    heights = amount_axis(counts)
    if heights.kind == "log":
        heights = log_axis([0.6, most])

    def x(place: float) -> float:
        return 100 * (place - places[0] + max(gaps, default=1) / 2) / (
            span + max(gaps, default=1))

    bars = "".join(
        f'<rect x="{x(place) - width / 2:.2f}" y="{100 - heights.at(count):.2f}" '
        f'width="{width:.2f}" height="{heights.at(count):.2f}"><title>{place}: '
        f"{number(count)}</title></rect>"
        for place, count in zip(places, counts, strict=True) if count
    )
    marks = "".join(f'<s style="left:{x(place):.2f}%"></s>' for place in places)
    shown = {places[0], places[-1], min(places, key=abs)}
    labels = "".join(f'<b style="left:{x(place):.2f}%">{_signed(place)}</b>'
                     for place in sorted(shown))
    return _plot(heights, bars, f'<div class="levels">{marks}</div><div class="x">{labels}</div>')


def curve(points: Sequence[tuple[float, float]], tick: Text, what: str) -> str:
    """Values over steps, joined by a line; logarithmic where the values span much."""
    ys = [y for _, y in points]
    heights = score_axis(ys)
    first, last = points[0][0], points[-1][0]
    places = [
        (100 * (x - first) / (last - first or 1), 100 - heights.at(y)) for x, y in points
    ]
    path = " ".join(f"{x:.2f},{y:.2f}" for x, y in places)
    labels = (f'<b style="left:0%">{number(first)}</b>'
              f'<b style="left:100%">{number(last)}</b>')
    line = f'<polyline points="{path}"><title>{plain(what)}</title></polyline>'
    return _plot(heights, line, f'<div class="x">{labels}</div>', tick)


def _plot(heights: Axis, drawing: str, below: str, tick: Text | None = None) -> str:
    lines = "".join(
        f'<line x1="0" x2="100" y1="{100 - heights.at(one):.2f}" y2="{100 - heights.at(one):.2f}"/>'
        for one in heights.ticks
    )
    labels = "".join(
        f'<b style="bottom:{heights.at(one):.2f}%">{(tick or number)(one)}</b>'
        for one in heights.ticks
    )
    return (
        f'<div class="plot"><div class="y" aria-hidden="true">{labels}</div>'
        f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img">{lines}{drawing}</svg>'
        f'<div class="below" aria-hidden="true">{below}</div></div>'
    )


def _mark(mark: Mark, axis: Axis) -> str:
    if axis.kind == "linear":
        if not mark.value:
            return ""
        return f'<i class="bar" style="width:{axis.at(mark.value):.2f}%"></i>'
    dot = f'<i class="dot" style="left:{axis.at(mark.value):.2f}%"></i>'
    if mark.low is None or mark.high is None:
        return dot
    left, right = axis.at(mark.low), axis.at(mark.high)
    return f'<i class="range" style="left:{left:.2f}%;width:{right - left:.2f}%"></i>{dot}'


def _grid(axis: Axis) -> str:
    return "".join(f'<s style="left:{axis.at(one):.2f}%"></s>' for one in axis.ticks)


def _labels(axis: Axis, tick: Text) -> str:
    return "".join(
        f'<b style="left:{axis.at(one):.2f}%">{tick(one)}</b>' for one in axis.ticks
    )


def _signed(value: int) -> str:
    return f"{value}".replace("-", "\u2212")
