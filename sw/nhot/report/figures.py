"""The figures of an entry that people compare, wherever in it they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

from nhot.report.schema import Answers, Entry, Score
from nhot.report.table import number

__all__ = ["Figures", "interval"]

NORMAL = 1.959964  # of the normal distribution, 95 % lie within so many deviations


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What is known of an entry; None is what is not.

    ``scores`` are those of all stages in order, ``score`` the last one; ``cycles`` are measured if
    there was a run, else predicted.
    """

    metric: str
    scores: tuple[Score, ...]
    cycles: int | None
    clock_hz: float | None
    weights: int | None
    bits: float | None
    terms: float | None
    macs: int | None

    @classmethod
    def of(cls, entry: Entry) -> Figures:
        """The figures of ``entry``."""
        metric, scores = _scores(entry)
        layers = [one for one in entry.network.layers if one.weights] if entry.network else []
        weights = sum(one.weights for one in layers)
        cycles = entry.image.cycles if entry.image else None
        if entry.runs:
            cycles = entry.runs[-1].cycles
        clock = entry.image.clock_hz if entry.image else None
        return cls(
            metric=metric, scores=scores, cycles=cycles,
            clock_hz=clock or (entry.build.clock_mhz * 1e6 if entry.build else None),
            weights=weights or None,
            bits=sum(one.bits for one in layers) / weights if weights else None,
            terms=sum(one.terms for one in layers) / weights if weights else None,
            macs=sum(one.macs for one in layers) or None,
        )

    @property
    def score(self) -> Score | None:
        """That of the last stage."""
        return self.scores[-1] if self.scores else None

    @property
    def rate(self) -> float | None:
        """Inferences a second."""
        return self.clock_hz / self.cycles if self.clock_hz and self.cycles else None

    @property
    def clock(self) -> str:
        """The clock, as people read it."""
        return f"{number(self.clock_hz / 1e6)} MHz" if self.clock_hz else ""


def interval(score: Score) -> tuple[float, float]:
    """The ends of Wilson's interval of 95 % around an accuracy; the accuracy itself without count.

    Source: Wilson, J. Am. Stat. Assoc. 22 (1927), 209-212.
    """
    if not score.samples:
        return score.value, score.value
    n, z = score.samples, NORMAL
    centre = (score.value + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(score.value * (1 - score.value) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # Rounding must not put the accuracy itself outside.
    return max(min(centre - half, score.value), 0.0), min(max(centre + half, score.value), 1.0)


def _scores(entry: Entry) -> tuple[str, tuple[Score, ...]]:
    """The metric, and its scores from float to board."""
    scores: list[Score] = []
    metric = ""
    if entry.training is not None and entry.training.score is not None:
        metric, scores = entry.training.metric, [entry.training.score]
    if entry.quantized is not None and entry.quantized.scores:
        same = metric == entry.quantized.metric
        stages = {one.stage for one in entry.quantized.scores}
        metric = entry.quantized.metric
        before = [one for one in scores if one.stage not in stages] if same else []
        scores = [*before, *entry.quantized.scores]
    for one in entry.evaluated:
        metric = metric or one.metric
        if one.metric == metric:
            scores.append(replace(one.score, stage=f"{one.stage}, {one.data}"))
    labelled = [run for run in entry.runs if run.answers is not None and run.answers.total]
    if labelled and metric in {"", "accuracy"}:
        metric = "accuracy"
        scores += [_of_answers(run.place, run.answers) for run in labelled if run.answers]
    return metric, tuple(scores)


def _of_answers(stage: str, answers: Answers) -> Score:
    return Score(stage=stage, value=answers.correct / answers.total, samples=answers.total)
