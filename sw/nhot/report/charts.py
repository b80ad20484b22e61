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

__all__ = ["Mark", "Point", "curve", "histogram", "rows", "scatter"]

Text = Callable[[float], str]


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A row of a chart: a value, how it is written (HTML), and what chance leaves open of it."""

    name: str
    value: float
    text: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Point:
    """A point of a scatter chart, which may have no name; ``best`` ones are joined by a staircase.
    """

    name: str
    x: float
    y: float
    best: bool


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


def scatter(
    points: Sequence[Point], across: Axis, heights: Axis, tick: Text, what: str,
    line: float | None = None,
) -> str:
    """Points with their names, the front of the best ones, and a dotted line at ``line``.

    ``tick`` writes a value of the heights, ``what`` is called what is across.
    """
    stairs: list[str] = []
    height = None
    for one in sorted((one for one in points if one.best), key=lambda one: one.x):
        x, y = across.at(one.x), 100 - heights.at(one.y)
        stairs += [f"{x:.2f},{height:.2f}"] if height is not None else []
        stairs.append(f"{x:.2f},{y:.2f}")
        height = y
    drawing = f'<polyline points="{" ".join(stairs)}"><title>Pareto front</title></polyline>'
    if line is not None:
        y = 100 - heights.at(line)
        drawing += f'<line class="at" x1="0" x2="100" y1="{y:.2f}" y2="{y:.2f}"/>'
    marks = "".join(
        f'<i class="dot{"" if one.best else " open"}" style="left:{across.at(one.x):.2f}%;'
        f'bottom:{heights.at(one.y):.2f}%"></i>' for one in sorted(points, key=lambda one: one.best)
    )
    ticks = "".join(f'<b style="left:{across.at(one):.2f}%">{number(one)}</b>'
                    for one in across.ticks)
    below = f'<div class="x">{ticks}</div><div class="what">{plain(what)}</div>'
    return (f'<div class="scatter">{_plot(heights, drawing, below, tick)}'
            f'<div class="points">{marks}{_named(points, across, heights)}</div></div>')


_LETTER, _LINE, _DOT = 2.4, 7.0, 2.5
"""Width of a letter, height of a line and half of a point in percent of a chart, about."""


def _named(points: Sequence[Point], across: Axis, heights: Axis) -> str:
    """The names above or below their points, where they lie on no other name and no other point."""
    taken = [(across.at(one.x), heights.at(one.y)) for one in points]
    boxes = [(x - _DOT, x + _DOT, y - _DOT, y + _DOT) for x, y in taken]
    texts = []
    for one, (x, y) in zip(points, taken, strict=True):
        if not one.name:
            continue
        wide = _LETTER * min(len(one.name), 24) + 1
        sides = (x - _DOT, x + _DOT - wide) if x < 50 else (x + _DOT - wide, x - _DOT)
        rises = (_DOT, -_DOT - _LINE, _DOT + _LINE, -_DOT - 2 * _LINE, _DOT + 2 * _LINE)
        tries = [(left, left + wide, y + rise, y + rise + _LINE)
                 for rise in rises for left in sides if left > -8 and left + wide < 108]
        free = (box for box in tries if not any(_overlap(box, other) for other in boxes))
        box = next(free, tries[0] if tries else (x, x + wide, y, y + _LINE))
        boxes.append(box)
        side = f"left:{x:.2f}%" if box[0] >= x - _DOT else f"right:{100 - x:.2f}%"
        texts.append(f'<b style="{side};bottom:{box[2]:.2f}%">{plain(one.name)}</b>')
    return "".join(texts)


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    """Whether two boxes (left, right, bottom, top) have a point in common."""
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]


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
