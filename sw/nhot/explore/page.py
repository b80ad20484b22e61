"""A sweep as an HTML page, made of the pieces of reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nhot.explore.point import Point
from nhot.explore.sweep import Found
from nhot.explore.table import score_text
from nhot.report import charts
from nhot.report.axis import Axis, accuracy_axis, amount_axis, score_axis
from nhot.report.figures import interval
from nhot.report.page import document, header
from nhot.report.schema import Score
from nhot.report.sections import SHARES
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
    front = found.front
    rest = sorted((one for one in found.points if one not in front), key=lambda one: one.costs)
    line = f"{len(found.points):,} engines, {len(front):,} on the Pareto front, {found.stage}"
    more = f"The best {_SHOWN} of {len(rest):,}." if len(rest) > _SHOWN else ""
    metric = found.original.metric
    body = "\n".join((
        header(title, "h1", line),
        "" if chosen is None else _tiles(chosen),
        section("Build it", "".join(f"<pre>{plain(one)}</pre>" for one in commands), name="build"),
        section("Trade-offs", _pictures(found), "Filled points are on the Pareto front: of all "
                "engines nothing is as good, as fast and as small. Dotted: the original.",
                name="trade-offs"),
        section("Pareto front", _table(front, metric), name="front"),
        section("Beaten", _table(rest[:_SHOWN], metric), more, name="beaten"),
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
        tile(plain(score_text(chosen.scored)), chosen.scored.metric),
        tile(rate, f"inferences/s at {chosen.fmax_mhz:g} MHz"),
        tile(figure(chosen.luts), "LUTs"),
    )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _table(points: Sequence[Point], metric: str) -> str:
    if not points:
        return ""
    heads = ("format", metric, "T x P x S", "R", "R terms", "lane", "bits", "terms", "board",
             "LUTs", "block memories", "cycles", "Fmax, MHz", "inferences/s", "figures")
    rows = [
        (plain(one.rounding.format), plain(score_text(one.scored)), plain(one.array),
         figure(one.config.requantisers), figure(one.config.requant_terms),
         plain(one.config.lane), figure(one.rounding.bits), figure(one.rounding.requant_terms),
         plain(one.board), figure(one.luts), figure(one.block_memories), figure(one.cycles),
         figure(one.fmax_mhz), figure(one.rate, number(round(one.rate))), plain(one.stage))
        for one in points
    ]
    return table(heads, rows, numeric=(1, 3, 4, 6, 7, 9, 10, 11, 12, 13))


def _pictures(found: Found) -> str:
    """A point a format and a stage of the front has a name; with more, names hide each other."""
    metric, front = found.original.metric, found.front
    heights, tick = _heights(found), round_percent if metric in SHARES else number
    pictures = []
    for what, cost in _ACROSS.items():
        marks = [
            charts.Point(name=name, x=cost(one), y=one.scored.value, best=one in front)
            for one, name in _named(found.points, cost)
        ]
        drawn = charts.scatter(marks, amount_axis(mark.x for mark in marks), heights, tick, what,
                               found.original.value)
        pictures.append(f"<figure>{drawn}</figure>")
    return f'<div class="charts">{"".join(pictures)}</div>'


def _named(
    points: Sequence[Point], cost: Callable[[Point], float]
) -> list[tuple[Point, str]]:
    """Points with their formats as names, once for each: at the one of the least cost."""
    first: dict[str, Point] = {}
    for one in sorted(points, key=cost):
        first.setdefault(one.rounding.format, one)
    return [(one, one.rounding.format if one is first[one.rounding.format] else "")
            for one in points]


def _heights(found: Found) -> Axis:
    scores = [found.original, *(one.scored for one in found.points)]
    values = [one.value for one in scores]
    if found.original.metric != "accuracy":
        return score_axis(values)
    ends = [interval(_score(one)) for one in scores]
    return accuracy_axis(values, *zip(*ends, strict=True))


def _score(scored: Scored) -> Score:
    return Score(stage=scored.stage, value=scored.value, samples=scored.samples)
