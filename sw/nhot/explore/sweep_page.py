"""A sweep as an HTML page, made of the pieces of reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nhot.explore.columns import columns
from nhot.explore.front import front
from nhot.explore.point import Point
from nhot.explore.sweep import Found
from nhot.report import charts
from nhot.report.axis import amount_axis
from nhot.report.page import document, header
from nhot.report.schema import Score
from nhot.report.sections import SHARES, scores_axis
from nhot.report.table import (
    facts,
    figure,
    number,
    plain,
    round_percent,
    section,
    short,
    table,
    tile,
)
from nhot.trials import Scored

__all__ = ["page"]

_ACROSS: dict[str, Callable[[Point], float]] = {
    "LUTs": lambda point: point.luts, "milliseconds an inference": lambda point: 1000 / point.rate,
}

_SHOWN = 200
"""Rows of the table of what is not on the front, at most."""


def page(
    title: str, found: Found, chosen: Point | None, commands: Sequence[str],
    settings: Mapping[str, str],
) -> str:
    """The whole page: what was chosen, pictures, the front, the rest, and what was left out.

    Parameters
    ----------
    commands : sequence of str
        That build what was chosen.
    settings : mapping
        What was swept and how, for people.
    """
    best = found.front
    rest = sorted((one for one in found.points if one not in best), key=lambda one: one.costs)
    line = f"{len(found.points):,} engines, {len(best):,} on the Pareto front, {found.stage}"
    more = f"The best {_SHOWN} of {len(rest):,}." if len(rest) > _SHOWN else ""
    body = "\n".join((
        header(title, "h1", line),
        "" if chosen is None else _tiles(chosen),
        section("Build it", "".join(f"<p><code>{plain(one)}</code></p>" for one in commands),
                name="build"),
        section("Trade-offs", _pictures(found), "Filled: nothing of that cost is as good. "
                "Dotted: the original.", name="trade-offs"),
        section("Pareto front", _table(best, found), "Nothing is at least as good, as fast and as "
                "small, and better in one of these.", name="front"),
        section("Beaten", _table(rest[:_SHOWN], found), more, name="beaten"),
        section("Left out", facts([(f"{count:,}", plain(reason))
                                   for reason, count in found.left_out.most_common()]),
                name="left-out"),
        section("Settings", facts([(name, plain(value)) for name, value in settings.items()]),
                name="settings"),
    ))
    return document(title, body)


def _tiles(chosen: Point) -> str:
    rate = figure(chosen.rate, short(round(chosen.rate)))
    tiles = (
        tile(plain(chosen.board), f"chosen: {chosen.rounding.format}, T x P x S {chosen.array}"),
        tile(plain(chosen.scored.text), chosen.scored.metric),
        tile(rate, f"inferences/s at {chosen.fmax_mhz:g} MHz"),
        tile(figure(chosen.luts), "LUTs"),
    )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _table(points: Sequence[Point], found: Found) -> str:
    if not points:
        return ""
    shown = columns(found.points, found.original.metric)
    rows = [
        tuple(plain(value) if isinstance(value, str) else figure(value)
              for value in (one.value(point) for one in shown))
        for point in points
    ]
    return table([one.head for one in shown], rows,
                 numeric=[place for place, one in enumerate(shown) if one.numeric])


def _pictures(found: Found) -> str:
    metric, points = found.original.metric, found.points
    scores = [_score(one) for one in (found.original, *(one.scored for one in points))]
    heights, tick = scores_axis(metric, scores), round_percent if metric in SHARES else number
    pictures = []
    for what, cost in _ACROSS.items():
        best = front([(-one.scored.better, cost(one)) for one in points])
        names = _names(points, cost)
        marks = [charts.Point(name=name, x=cost(one), y=one.scored.value, best=place in best)
                 for place, (one, name) in enumerate(zip(points, names, strict=True))]
        drawn = charts.scatter(marks, amount_axis(mark.x for mark in marks), heights, tick, what,
                               found.original.value)
        pictures.append(f"<figure>{drawn}</figure>")
    return f'<div class="charts">{"".join(pictures)}</div>'


def _names(points: Sequence[Point], cost: Callable[[Point], float]) -> list[str]:
    """The format of each point, once for each format: at the one of the least cost."""
    formats = [one.rounding.format for one in points]
    first: dict[str, int] = {}
    for place in sorted(range(len(points)), key=lambda place: cost(points[place])):
        first.setdefault(formats[place], place)
    return [name if first[name] == place else "" for place, name in enumerate(formats)]


def _score(scored: Scored) -> Score:
    return Score(stage=scored.stage, value=scored.value, samples=scored.samples)
