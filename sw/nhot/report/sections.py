"""The sections of one entry: each gives HTML, or nothing where nothing is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from nhot.report.answers import confusion, last_answers, mistakes
from nhot.report.axis import Axis, accuracy_axis, amount_axis, of_axis, score_axis
from nhot.report.charts import Mark, curve, histogram, rows
from nhot.report.figures import Figures, interval
from nhot.report.schema import Build, Entry, Made, Score
from nhot.report.table import (
    facts,
    figure,
    number,
    percent,
    plain,
    round_percent,
    section,
    short,
    table,
    tile,
)

__all__ = ["SHARES", "entry_sections", "score_rows", "score_text", "scores_axis"]

SHARES = {"accuracy", "mAP", "AUC"}
"""Metrics that are parts of 1."""

CELLS = {"lut4": "logic cells", "ff": "flip-flops", "bram": "block RAM", "spram": "large RAM",
         "dsp": "DSP blocks", "pll": "PLLs"}


def entry_sections(entry: Entry) -> str:
    """All sections, in the order in which people ask."""
    makers = (_tiles, _scores, _evaluated, _compared, _confusion, _wrong, _layers, _levels,
              _memories, _build, _verified, _training, _settings, _made)
    return "\n".join(text for text in (make(entry) for make in makers) if text)


def _tiles(entry: Entry) -> str:
    known = Figures.of(entry)
    tiles = []
    if known.score is not None:
        tiles.append(tile(score_text(known.metric, known.score),
                          f"{known.metric}, {known.score.stage}"))
    for run in entry.runs:
        if run.identical is not None:
            kind = "good" if run.identical == run.inputs else "bad"
            counts = [figure(one, short(one)) for one in (run.identical, run.inputs)]
            tiles.append(tile(" of ".join(counts),
                              "outputs equal to the reference in every integer", kind))
    if entry.verified:
        count = len(entry.verified.links)
        tiles.append(tile(f"{figure(count)} links", "proved equal, every integer", "good"))
    for value, what in (
        (known.cycles, "cycles an inference"), (known.rate, f"inferences/s at {known.clock}"),
        (known.bits, "bits a weight"), (known.terms, "signed powers of two a weight"),
        (known.macs, "MACs an inference"), (known.weights, "weights"),
    ):
        if value is not None:
            tiles.append(tile(figure(value, short(value)), what))
    return f'<div class="tiles">{"".join(tiles)}</div>' if tiles else ""


def _scores(entry: Entry) -> str:
    known = Figures.of(entry)
    if not known.scores:
        return ""
    content = score_rows(known.metric, [(one.stage, one) for one in known.scores])
    note = ""
    samples = {one.samples for one in known.scores if one.samples}
    if len(samples) == 1:
        note = f"On {number(samples.pop())} samples that were held out."
    return section(known.metric[:1].upper() + known.metric[1:], content, note, name="scores")


def score_rows(metric: str, scores: list[tuple[str, Score]]) -> str:
    """Scores side by side, on an axis that shows how they differ."""
    ends = [interval(score) if metric == "accuracy" else (score.value, score.value)
            for _, score in scores]
    marks = [
        Mark(name=name, value=one.value, text=score_text(metric, one), low=low, high=high)
        for (name, one), (low, high) in zip(scores, ends, strict=True)
    ]
    tick = round_percent if metric in SHARES else number
    axis = scores_axis(metric, [one for _, one in scores])
    if metric != "accuracy":
        return rows(marks, axis, tick, of_axis(axis))
    notes = ["The axis is logarithmic in the error."] if axis.kind == "log" else []
    if any(one.samples for _, one in scores):
        notes.append("Lines: 95 % confidence (Wilson), of the number of samples alone.")
    return rows(marks, axis, tick, " ".join(notes))


def scores_axis(metric: str, scores: Sequence[Score]) -> Axis:
    """An axis that shows how scores differ, with room for how far each is to be trusted."""
    values = [one.value for one in scores]
    if metric != "accuracy":
        return score_axis(values)
    return accuracy_axis(values, *zip(*map(interval, scores), strict=True))


def score_text(metric: str, score: Score) -> str:
    """A score as people read it (HTML)."""
    if metric in SHARES:
        return figure(score.value, percent(score.value))
    return figure(score.value)


def _evaluated(entry: Entry) -> str:
    lines = [
        (plain(one.stage), plain(one.data), plain(one.metric), score_text(one.metric, one.score),
         figure(one.samples),
         ", ".join(f"{plain(name)} {figure(value)}" for name, value in one.figures.items()))
        for one in entry.evaluated
    ]
    heads = ("stage", "data", "metric", "value", "samples", "more")
    return section("Evaluated", table(heads, lines, numeric={3, 4}), name="evaluated")


def _compared(entry: Entry) -> str:
    content = ""
    for one in entry.compared:
        marks = [Mark(name=layer.name, value=max(layer.sqnr, 0.0),
                      text=f"{figure(layer.sqnr, f'{layer.sqnr:.1f}')} dB")
                 for layer in one.layers if layer.sqnr is not None]
        chart = rows(marks, amount_axis([mark.value for mark in marks]), number) if marks else ""
        lines = [
            (plain(layer.name), *("" if level is None else figure(level, f"{level:.1f}")
                                  for level in (layer.sqnr, layer.own)),
             figure(layer.largest), figure(layer.differing, percent(layer.differing)))
            for layer in one.layers
        ]
        heads = ("layer", "SQNR, dB", "own SQNR, dB", "largest difference", "differing")
        found = (f"The first layer that differs is <b>{plain(one.first)}</b>." if one.first
                 else "All integers are the same." if one.exact else "No layer differs.")
        hints = "".join(f"<li>{plain(hint)}</li>" for hint in one.hints)
        content += (f"<h3>{plain(one.a)} and {plain(one.b)}, {figure(one.samples)} samples of "
                    f"{plain(one.data)}</h3><p>{found}</p>{f'<ul>{hints}</ul>' if hints else ''}"
                    f"{chart}{table(heads, lines, numeric=range(1, 5))}")
    return section("Compared layer by layer", content, "Decibels of signal to difference; own: of "
                   "the layer alone, given what the first of both made before it.", name="compared")


def _confusion(entry: Entry) -> str:
    found = last_answers(entry)
    if found is None:
        return ""
    stage, answers = found
    return section("Confusion matrix", confusion(answers),
                   f"{plain(stage)}: {number(answers.correct)} of {number(answers.total)} right. "
                   "Rows are what it is, columns what it is read as.", name="confusion")


def _wrong(entry: Entry) -> str:
    found = last_answers(entry)
    return "" if found is None else section("Wrong answers", *mistakes(found[1]), name="wrong")


def _layers(entry: Entry) -> str:
    content = _cycles(entry) + _layer_table(entry)
    return section("Layers", content, name="layers")


def _cycles(entry: Entry) -> str:
    """Cycles of the layers: of the last run, else as predicted."""
    if entry.runs:
        shown = {one.name: one.cycles for one in entry.runs[-1].layers}
        note = f"Cycles, measured on the {plain(entry.runs[-1].place)}."
    else:
        shown = dict(entry.image.layers) if entry.image else {}
        note = "Cycles, predicted."
    if not shown:
        return ""
    axis = amount_axis(shown.values())
    marks = [Mark(name=name, value=value, text=figure(value)) for name, value in shown.items()]
    return rows(marks, axis, number, note + of_axis(axis))


def _layer_table(entry: Entry) -> str:
    layers = {one.name: one for one in entry.network.layers} if entry.network else {}
    predicted = dict(entry.image.layers) if entry.image else {}
    measured = {one.name: one for one in entry.runs[-1].layers} if entry.runs else {}
    lines = []
    for name in dict.fromkeys([*layers, *predicted, *measured]):
        layer, time = layers.get(name), measured.get(name)
        texts = ("",) * 3 if layer is None else (
            plain(layer.operator), "×".join(map(str, layer.output)), plain(layer.format))
        counts = (0,) * 4 if layer is None else (
            layer.requant_terms, layer.weights, layer.terms, layer.macs)
        amounts = (
            *(one or None for one in counts), predicted.get(name),
            time.cycles if time else None, (time.stalls or None) if time else None,
        )
        lines.append((plain(name), *texts,
                      *("" if one is None else figure(one) for one in amounts)))
    heads = ("layer", "operator", "output", "format", "requant terms", "weights", "terms", "MACs",
             "cycles", "measured", "stalls")
    return table(heads, lines, numeric=range(4, 11)) if lines else ""


def _levels(entry: Entry) -> str:
    charts = [
        f"<figure><figcaption>{plain(one.layer)} <span>{plain(one.format)}, "
        f"{number(sum(one.counts))} weights</span></figcaption>"
        f"{histogram(one.levels, one.counts)}</figure>"
        for one in (entry.network.levels if entry.network else ())
    ]
    return section(
        "Weights on their levels", f'<div class="charts">{"".join(charts)}</div>' if charts else "",
        "Marks below the bars are the levels that the format has; no weight lies elsewhere.",
        name="levels",
    )


def _memories(entry: Entry) -> str:
    if entry.image is None:
        return ""
    marks = [
        Mark(name=one.name, value=one.words / max(one.depth, 1),
             text=f"{figure(one.words)} of {figure(one.depth)}") for one in entry.image.memories
    ]
    return section("Memories of the engine", rows(marks, amount_axis([1.0]), round_percent),
                   "Words that the network takes, of those that there are.", name="memories")


def _build(entry: Entry) -> str:
    build = entry.build
    if build is None:
        return ""
    marks = [
        Mark(name=CELLS.get(name, name), value=used / available,
             text=f"{figure(used)} of {figure(available)}")
        for name, (used, available) in _cells(build) if available and (used or name == "dsp")
    ]
    axis = amount_axis([1.0, *(min(mark.value, 2.0) for mark in marks if mark.value > 1)])
    clock = facts([
        ("board", plain(f"{build.board}, {build.configuration}")), ("part", plain(build.part)),
        ("Fmax", f"{figure(build.fmax_mhz)} MHz"), ("clock", f"{figure(build.clock_mhz)} MHz"),
        ("margin", percent(build.fmax_mhz / build.clock_mhz - 1, 0)),
        ("tools", plain(", ".join(f"{name} {one}" for name, one in build.tools.items()))),
    ])
    chart = rows(marks, axis, round_percent) if marks else ""
    return section("Bitstream", chart + clock, "From the manifest of the bitstream.", name="build")


def _cells(build: Build) -> list[tuple[str, tuple[int, int]]]:
    order = [*CELLS, *build.resources]
    return sorted(build.resources.items(), key=lambda one: order.index(one[0]))


def _verified(entry: Entry) -> str:
    if entry.verified is None:
        return ""
    lines = [("✓ " + plain(one.link), plain(one.compared)) for one in entry.verified.links]
    return section("Proved equal", table(("link", "compared"), lines),
                   "Every integer, no tolerance.", name="verified")


def _training(entry: Entry) -> str:
    training = entry.training
    if training is None or not training.epochs:
        return ""
    charts = [("loss", [(one.epoch, one.loss) for one in training.epochs if one.loss is not None])]
    metric = [(one.epoch, one.metric) for one in training.epochs if one.metric is not None]
    if len(metric) > 1:
        charts.append((training.metric, metric))
    drawn = "".join(
        f"<figure><figcaption>{plain(name)} <span>by epoch</span></figcaption>"
        f"{curve(points, round_percent if name in SHARES else number, name)}</figure>"
        for name, points in charts
    )
    return section("Training of the float network", f'<div class="charts">{drawn}</div>',
                   name="training")


def _settings(entry: Entry) -> str:
    parts = [("training", entry.training), ("quantising", entry.quantized)]
    lines = [
        (what, [("data", plain(part.data))] + [(key, plain(str(value)))
                                              for key, value in part.settings.items()])
        for what, part in parts if part is not None
    ]
    content = "".join(f"<h3>{what}</h3>{facts(pairs)}" for what, pairs in lines)
    return section("Settings", content, name="settings")


def _made(entry: Entry) -> str:
    made: list[Made] = []
    for one in fields(entry):
        part = getattr(entry, one.name)
        made += [each.made for each in (part if isinstance(part, tuple) else (part,))
                 if getattr(each, "made", None)]
    lines = [
        (plain(f"nhot {one.command}"), plain(one.minute),
         plain(", ".join(f"{name} {version}" for name, version in one.versions.items())))
        for one in made
    ]
    return section("Made with", table(("command", "date", "versions"), lines), name="made")
