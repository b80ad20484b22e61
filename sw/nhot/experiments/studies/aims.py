"""What a study set out to show, and whether its records do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from nhot.experiments.studies.record import Record

__all__ = ["AIMS", "Aim", "aims"]

Figure = Callable[[Record], float | None]


@dataclass(frozen=True, kw_only=True)
class Aim:
    """A figure of a row, or its difference to that of another, and the least or most it may be.

    Parameters
    ----------
    text : str
    row, beside : str
        Rows of the study; without ``beside`` the figure itself is judged.
    figure : callable
        From a record to the figure.
    least, most : float, optional
    unit : str
    scale : float
        That the figure is shown in.
    """

    text: str
    row: str
    figure: Figure
    beside: str = ""
    least: float | None = None
    most: float | None = None
    unit: str = ""
    scale: float = 1.0

    def measured(self, records: Sequence[Record]) -> list[float]:
        """The figure, or the difference, of each seed that all rows it needs have records of."""
        values = self._by_seed(records, self.row)
        if not self.beside:
            return list(values.values())
        others = self._by_seed(records, self.beside)
        return [value - others[seed] for seed, value in values.items() if seed in others]

    def line(self, records: Sequence[Record]) -> str:
        """A row of the Markdown table; empty if it was not measured."""
        values = self.measured(records)
        if not values:
            return ""
        mean = fmean(values)
        interval = self._interval(records)
        met = (self.least is None or mean >= self.least) and (
            self.most is None or mean <= self.most
        )
        shown = f"{self._number(mean)}{self.unit}"
        if interval:
            shown += f" (95 %: {' to '.join(map(self._number, interval))})"
        elif max(values) > min(values):
            shown += f" ({self._number(min(values))} to {self._number(max(values))})"
        return f"| {self.text} | {shown} | {'met' if met else 'missed'} |"

    def _interval(self, records: Sequence[Record]) -> list[float]:
        """Where 95 % of the means lie with held-out samples drawn anew, where records have those.

        A seed's draws are the same for both rows, so that what is hard for both is in neither's
        favour.
        """
        if not self.beside or self.figure is not score:
            return []
        mine, other = (
            {one.seed: one.resampled for one in records if one.row == row}
            for row in (self.row, self.beside)
        )
        seeds = sorted(mine.keys() & other.keys())
        draws = {len(each[seed]) for each in (mine, other) for seed in seeds}
        if len(draws) != 1 or 0 in draws:
            return []
        means = np.mean([np.subtract(mine[seed], other[seed]) for seed in seeds], axis=0)
        return [float(end) for end in np.percentile(means, (2.5, 97.5))]

    def _number(self, value: float) -> str:
        return f"{self.scale * value:{'+' if self.beside else ''}.2f}"

    def _by_seed(self, records: Sequence[Record], row: str) -> dict[int, float]:
        return {
            one.seed: value for one in sorted(records, key=lambda one: one.seed)
            if one.row == row and (value := self.figure(one)) is not None
        }


def score(record: Record) -> float | None:
    """The metric."""
    return record.score


def density(record: Record) -> float | None:
    """Part of the weights that is not zero."""
    return record.density


def shift_adds(record: Record) -> float | None:
    """Shifted additions of a multiply-accumulate, as parts of the eight of uniform weights."""
    most = record.most_terms
    return None if most is None else most / 8 - 1


def weight_bits(record: Record) -> float | None:
    """Bits of the weights, beside eight each."""
    bits = record.bits_per_weight
    return None if bits is None else bits / 8 - 1


def not_zero(record: Record) -> float | None:
    """Weights that are not zero, in thousands."""
    return record.counts["effectual"] / 1000 if record.counts else None


CLASSIFICATION = (
    Aim(text="2-hot at most 0.3 points below int8", row="2hot", beside="int8", figure=score,
        least=-0.003, unit=" points", scale=100),
    Aim(text="1-hot at most 1.5 points below int8", row="1hot", beside="int8", figure=score,
        least=-0.015, unit=" points", scale=100),
    Aim(text="signed-binary above a binary network of as many weights that are not zero",
        row="signed-binary", beside="binary-narrow", figure=score, least=0.0,
        unit=" points", scale=100),
    Aim(text="density of signed-binary at most 0.36", row="signed-binary",
        figure=density, most=0.36),
    Aim(text="signed-binary-tiles above binary-width-10, as many weights that are not zero",
        row="signed-binary-tiles", beside="binary-width-10", figure=score, least=0.0,
        unit=" points", scale=100),
    Aim(text="signed-binary-sparse above binary-width-10, more weights that are not zero",
        row="signed-binary-sparse", beside="binary-width-10", figure=score, least=0.0,
        unit=" points", scale=100),
    Aim(text="density of signed-binary-sparse at most 0.36", row="signed-binary-sparse",
        figure=density, most=0.36),
)
SIGNED_BINARY = (
    *(aim for row, beside in (
        ("signed-binary", "binary-width-10"), ("signed-binary-sparse", "binary-width-9"),
        ("plum-signed-binary-filter", "plum-binary-width-10"),
        ("plum-signed-binary-8", "plum-binary-width-10"),
        ("plum-signed-binary-filter-real", "plum-binary-width-10-real"),
        ("plum-signed-binary-8-real", "plum-binary-width-10-real"),
    ) for aim in (
        Aim(text=f"{row} above {beside}", row=row, beside=beside, figure=score, least=0.0,
            unit=" points", scale=100),
        Aim(text="its weights that are not zero: no more of them", row=row, beside=beside,
            figure=not_zero, most=0.0, unit=" thousand"),
    )),
    Aim(text="density of signed-binary at most 0.36", row="signed-binary", figure=density,
        most=0.36),
)
MOBILENET = (
    *CLASSIFICATION[:2],
    Aim(text="a table of 16 codes at most 0.3 points below 2-hot", row="2hot/16", beside="2hot",
        figure=score, least=-0.003, unit=" points", scale=100),
)
DETECTION = (
    Aim(text="2-hot in two stages at most 0.3 points of mAP below int8", row="2hot", beside="int8",
        figure=score, least=-0.003, unit=" points", scale=100),
    Aim(text="shifted additions of 2-hot beside eight of uniform weights, -75 % or less",
        row="2hot", figure=shift_adds, most=-0.75, unit=" %", scale=100),
    Aim(text="bits of 2-hot weights beside eight, -11.5 % or less", row="2hot",
        figure=weight_bits, most=-0.115, unit=" %", scale=100),
)
AIMS = {
    "cifar10-resnet8": CLASSIFICATION, "cifar10-resnet20": CLASSIFICATION,
    "bccd-centernet": DETECTION, "bccd-folds": DETECTION, "digits": CLASSIFICATION[:2],
    "cifar10-mobilenet": MOBILENET, "cifar10-signed-binary": SIGNED_BINARY,
}


def aims(study: str, records: Sequence[Record]) -> str:
    """The aims of ``study`` that its records can judge, as Markdown."""
    lines = [line for aim in AIMS[study] if (line := aim.line(records))]
    return "\n".join(["| aim | measured | |", "| --- | ---: | --- |", *lines]) + "\n"
