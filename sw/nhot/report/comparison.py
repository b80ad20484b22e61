"""Several entries side by side: one table, and a chart for each figure that tells them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nhot.report.axis import amount_axis, of_axis
from nhot.report.charts import Mark, rows
from nhot.report.figures import Figures
from nhot.report.schema import Entry
from nhot.report.sections import score_rows, score_text
from nhot.report.table import figure, number, plain, section, table

__all__ = ["comparison", "names"]


def names(entries: Sequence[Entry]) -> list[str]:
    """A name for each entry, different from those of the others."""
    plainly = [entry.name for entry in entries]
    engines = [_engine(entry) for entry in entries]
    often = Counter(plainly)
    named = [f"{name} on {engine}" if often[name] > 1 and engine else name
             for name, engine in zip(plainly, engines, strict=True)]
    seen = Counter[str]()
    result = []
    for name in named:
        seen[name] += 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result


def comparison(entries: Sequence[Entry]) -> str:
    """What ``entries`` have in common, side by side."""
    called = names(entries)
    known = [Figures.of(entry) for entry in entries]
    return _table(entries, called, known) + _scores(called, known) + "".join(
        _amounts(title, called, values)
        for title, values in (
            ("Cycles an inference", [one.cycles for one in known]),
            ("Inferences a second", [one.rate for one in known]),
            ("Signed powers of two a weight", [one.terms for one in known]),
            ("Bits a weight", [one.bits for one in known]),
            ("Logic cells", [_cells(entry, "lut4") for entry in entries]),
            ("Fmax, MHz", [entry.build.fmax_mhz if entry.build else None for entry in entries]),
        )
    )


def _table(entries: Sequence[Entry], called: Sequence[str], known: Sequence[Figures]) -> str:
    heads = ("network", "engine", "score", "bits a weight", "terms a weight", "cycles",
             "inferences/s", "logic cells", "Fmax, MHz", "identical")
    lines = []
    for index, (entry, name, one) in enumerate(zip(entries, called, known, strict=True)):
        same = next((run for run in reversed(entry.runs) if run.identical is not None), None)
        amounts = (one.bits, one.terms, one.cycles, one.rate, _cells(entry, "lut4"),
                   entry.build.fmax_mhz if entry.build else None)
        lines.append((
            f'<a href="#entry{index}">{plain(name)}</a>', plain(_engine(entry)),
            f"{score_text(one.metric, one.score)}" if one.score else "",
            *("" if value is None else figure(value) for value in amounts),
            f"{figure(same.identical or 0)} of {figure(same.inputs)}" if same else "",
        ))
    return section("Side by side", table(heads, lines, numeric=range(2, 10)), name="together")


def _scores(called: Sequence[str], known: Sequence[Figures]) -> str:
    """The last scores of all entries, by metric."""
    texts = []
    for metric in dict.fromkeys(one.metric for one in known if one.score):
        scores = [(name, one.score) for name, one in zip(called, known, strict=True)
                  if one.score and one.metric == metric]
        if len(scores) > 1:
            texts.append(section(metric[:1].upper() + metric[1:], score_rows(metric, scores),
                                 "Of the last stage of each.", name="scores"))
    return "".join(texts)


def _amounts(title: str, called: Sequence[str], values: Sequence[float | None]) -> str:
    there = [(name, value) for name, value in zip(called, values, strict=True) if value is not None]
    if len({value for _, value in there}) < 2:
        return ""  # nothing to compare
    axis = amount_axis(value for _, value in there)
    marks = [Mark(name=name, value=value, text=figure(value)) for name, value in there]
    return section(title, rows(marks, axis, number, of_axis(axis)), name="amounts")


def _cells(entry: Entry, kind: str) -> int | None:
    found = entry.build.resources.get(kind) if entry.build else None
    return None if found is None else found[0]


def _engine(entry: Entry) -> str:
    if entry.image is not None:
        return (f"{entry.image.board} {entry.image.configuration}".strip()
                or f"engine {entry.image.target_id}")
    return f"{entry.build.board} {entry.build.configuration}" if entry.build else ""
