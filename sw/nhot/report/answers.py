"""Labels beside answers: counted, and shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nhot.formats.format import Ints
from nhot.report.pictures import is_picture, picture
from nhot.report.schema import Answers, Entry, Wrong
from nhot.report.table import figure, number, percent, plain, table

__all__ = ["answers_of", "confusion", "last_answers", "mistakes"]

MATRIX = 20
"""Classes up to which a matrix can be read; of more the most frequent confusions are listed."""

WIDE = 30
"""Digits that a row of a matrix may have to fit a telephone."""

SHOWN = 24
"""Wrong answers that are kept and shown; all are counted."""

Sample = Callable[[int], NDArray[Any]]


def answers_of(
    labels: Ints, answers: Ints, classes: int, *, names: tuple[str, ...] = (),
    sample: Sample | None = None,
) -> Answers:
    """Count labels beside answers, both (samples,), of so many classes.

    ``sample`` gives a sample (height, width, channels) by its index, for pictures of the first
    wrong answers.
    """
    pairs = Counter(zip(labels.tolist(), answers.tolist(), strict=True))
    wrong = tuple(
        Wrong(index=index, label=int(labels[index]), answer=int(answers[index]),
              picture=_picture(sample(index)) if sample else None)
        for index in np.flatnonzero(labels != answers)[:SHOWN].tolist()
    )
    return Answers(
        classes=classes, names=names if len(names) == classes else (), wrong=wrong,
        pairs=tuple((*pair, count) for pair, count in sorted(pairs.items())),
    )


def last_answers(entry: Entry) -> tuple[str, Answers] | None:
    """The answers that are nearest to a board, and where they come from."""
    for run in reversed(entry.runs):
        if run.answers is not None and run.answers.total:
            return run.place, run.answers
    for one in reversed(entry.evaluated):
        if one.answers is not None and one.answers.total:
            return one.stage, one.answers
    for stage, part in (("quantised", entry.quantized), ("float", entry.training)):
        if part is not None and part.answers is not None and part.answers.total:
            return stage, part.answers
    return None


def confusion(answers: Answers) -> str:
    """The matrix as a table, or of many classes the pairs that are confused most often."""
    if answers.classes > MATRIX:
        return _confused(answers)
    counts = {(label, answer): count for label, answer, count in answers.pairs}
    totals = Counter[int]()
    for (label, _), count in counts.items():
        totals[label] += count
    most = max((count for (a, b), count in counts.items() if a != b), default=1)
    everyone = range(answers.classes)
    head = "".join(f"<th scope=col>{_name(answers, one)}</th>" for one in everyone)
    lines = []
    for label in everyone:
        cells = "".join(_cell(label, answer, counts.get((label, answer), 0), totals[label], most)
                        for answer in everyone)
        right = counts.get((label, label), 0) / totals[label] if totals[label] else None
        recall = "" if right is None else figure(right, percent(right, 0))
        lines.append(f"<tr><th scope=row>{_name(answers, label)}</th>{cells}"
                     f"<td class=recall>{recall}</td></tr>")
    # Where the page is narrow, a matrix of many or of large counts is a list.
    dense = answers.classes * max(len(str(max(counts.values(), default=0))), 2) > WIDE
    kind = f"matrix{' dense' if dense else ''}{'' if answers.names else ' plain'}"
    narrow = f'<div class="narrow">{_confused(answers)}</div>' if dense else ""
    top = f"<thead><tr><th></th>{head}<th class=recall>right</th></tr></thead>"
    return (f'<table class="{kind}" style="--classes:{answers.classes}">{top}'
            f"<tbody>{''.join(lines)}</tbody></table>{narrow}")


def mistakes(answers: Answers) -> tuple[str, str]:
    """The first wrong answers with their pictures (HTML), and a note on how many there are."""
    figures = "".join(
        f'<figure>{_image(answers, one)}<figcaption>{_name(answers, one.label)} read as '
        f"<b>{_name(answers, one.answer)}</b><br>no. {figure(one.index)}</figcaption></figure>"
        for one in answers.wrong
    )
    left = answers.total - answers.correct - len(answers.wrong)
    note = f"The first {len(answers.wrong)}; {number(left)} more are not shown." if left else ""
    return (f'<div class="pictures">{figures}</div>' if figures else "", note)


def _picture(sample: NDArray[Any]) -> str | None:
    return picture(sample) if is_picture(sample.shape) else None


def _confused(answers: Answers) -> str:
    wrong = sorted((-count, label, answer) for label, answer, count in answers.pairs
                   if label != answer)
    lines = [(_name(answers, label), _name(answers, answer), figure(-count))
             for count, label, answer in wrong[:MATRIX]]
    return table(("is", "read as", "times"), lines, numeric=(2,)) or "<p>None is confused.</p>"


def _cell(label: int, answer: int, count: int, total: int, most: int) -> str:
    right = label == answer
    share = count / total if right and total else (count / most) ** 0.5 * 0.6
    if not count:
        return "<td class=none>·</td>"
    kind = "right" if right else "wrong"
    strong = " strong" if share > 0.5 else ""
    return f'<td class="{kind}{strong}" style="--share:{100 * share:.0f}%">{figure(count)}</td>'


def _name(answers: Answers, label: int) -> str:
    return plain(answers.names[label]) if answers.names else str(label)


def _image(answers: Answers, one: Wrong) -> str:
    if one.picture is None:
        return ""
    return (f'<img src="data:image/png;base64,{one.picture}" '
            f'alt="input {one.index}, {_name(answers, one.label)}">')
