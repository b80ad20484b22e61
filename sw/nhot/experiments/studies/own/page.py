"""A study as an HTML page, made of the pieces of reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nhot.experiments.studies.own.figures import COSTS, Line, points
from nhot.experiments.studies.own.text import NUMERIC, about, amount, dsp_text, notes
from nhot.report.axis import amount_axis
from nhot.report.charts import Point, scatter
from nhot.report.page import articles, document, header
from nhot.report.schema import Entry, Score
from nhot.report.sections import SHARES, score_rows, score_text, scores_axis
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

__all__ = ["page"]

_HEADS = ("format", "", "bits a weight", "terms a weight", "weights", "engine", "MACs a step",
          "weight memory", "cycles", "inferences/s", "logic cells", "Fmax, MHz", "best by")


def page(
    title: str, lines: Sequence[Line], entries: Sequence[Entry], settings: Mapping[str, str],
) -> str:
    """The whole page: figures side by side, pictures, what does not fit, and each format in full.

    Parameters
    ----------
    lines : sequence of Line
        The original first.
    entries : sequence of Entry
        What a report says of each of the others.
    settings : mapping
        What was compared and how, for people.
    """
    metric = lines[0].scored.metric
    scores = [(line.name, _score(line)) for line in lines]
    body = "\n".join((
        header(title, "h1", f"{len(entries)} formats, {metric} on "
               f"{lines[0].scored.samples:,} samples"),
        _tiles(lines),
        section("Side by side", _table(lines), name="formats"),
        section("Trade-offs", _pictures(lines), "Filled points are on the Pareto front: nothing "
                "costs less and is as good. Dotted: the original.", name="trade-offs"),
        section(metric[:1].upper() + metric[1:], score_rows(metric, scores), name="scores"),
        section("Notes", "".join(f"<p>{plain(one)}</p>" for one in notes(lines)),
                name="notes"),
        section("Settings", facts([(name, plain(value)) for name, value in settings.items()]),
                name="settings"),
        articles([line.name for line in lines[1:]], entries),
    ))
    return document(title, body)


def _score(line: Line) -> Score:
    return Score(stage=line.name, value=line.scored.value, samples=line.scored.samples)


def _tiles(lines: Sequence[Line]) -> str:
    original, *others = lines
    metric = original.scored.metric
    best = max(others, key=lambda line: line.scored.better)
    tiles = [tile(score_text(metric, _score(original)), f"{metric}, {original.name}"),
             tile(score_text(metric, _score(best)), f"{metric}, {best.name}, the best format")]
    fast = max((line for line in others if line.rate), key=lambda line: line.rate or 0.0,
               default=None)
    if fast is not None and fast.rate is not None and fast.place.engine is not None:
        tiles.append(tile(figure(fast.rate, short(fast.rate)),
                          f"inferences/s, {fast.name} on {fast.place.engine.name}"))
    least = min(others, key=lambda line: line.weight_bytes or 0)
    if least.weight_bytes is not None:
        tiles.append(tile(figure(least.weight_bytes, amount(least.weight_bytes)),
                          f"of weights, {least.name}"))
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _table(lines: Sequence[Line]) -> str:
    rows = []
    for place, line in enumerate(lines):
        engine = line.place.engine
        where = plain(engine.name if engine else
                      line.place.why_not and f"none: {line.place.why_not}")
        name = plain(line.name + (" *" if line.untrained else ""))
        rows.append((
            f'<a href="#entry{place - 1}">{name}</a>' if place else name,
            score_text(line.scored.metric, _score(line)),
            *("" if value is None else figure(value, f"{value:.2f}")
              for value in (line.bits, line.terms)),
            _bytes(line.weight_bytes), where, _whole(line.macs_per_step),
            _bytes(line.memory_bytes),
            _whole(line.cycles), _whole(line.rate, about(line)),
            _whole(line.luts, about(line)) + dsp_text(line),
            "" if line.fmax_mhz is None else figure(
                line.fmax_mhz, about(line) + number(line.fmax_mhz)),
            ", ".join(line.fronts),
        ))
    heads = (_HEADS[0], lines[0].scored.metric, *_HEADS[2:])
    return table(heads, rows, numeric=NUMERIC)


def _whole(value: float | None, before: str = "") -> str:
    return "" if value is None else figure(value, before + number(round(value)))


def _bytes(count: int | None) -> str:
    return "" if count is None else figure(count, amount(count))


def _pictures(lines: Sequence[Line]) -> str:
    metric = lines[0].scored.metric
    heights = scores_axis(metric, [_score(line) for line in lines])
    tick = round_percent if metric in SHARES else number
    charts = []
    for cost, what in COSTS.items():
        known = points(lines, cost)
        if not known:
            continue
        marks = [Point(name=line.name, x=value, y=line.scored.value, best=cost in line.fronts)
                 for line, value in known]
        across = amount_axis(value for _, value in known)
        charts.append(f"<figure>{scatter(marks, across, heights, tick, what, _at(lines))}</figure>")
    return f'<div class="charts">{"".join(charts)}</div>' if charts else ""


def _at(lines: Sequence[Line]) -> float:
    return lines[0].scored.value
