"""Axes that show differences, charts and numbers, whatever the extremes."""

from __future__ import annotations

import pytest

from nhot.report.axis import accuracy_axis, amount_axis, log_axis, score_axis, zoomed_axis
from nhot.report.charts import curve, histogram
from nhot.report.figures import interval
from nhot.report.schema import Score
from nhot.report.table import number, percent


def test_close_accuracies_are_far_apart_on_the_axis():
    scores = [Score(stage="", value=value, samples=599) for value in (0.978, 0.98, 0.983)]
    ends = [interval(score) for score in scores]
    axis = accuracy_axis([one.value for one in scores], *zip(*ends, strict=True))
    assert axis.kind == "zoomed"
    assert axis.at(0.983) - axis.at(0.978) > 10
    assert all(0 <= axis.at(low) < axis.at(high) <= 100 for low, high in ends)


def test_errors_of_all_sizes_are_seen_on_one_axis():
    values = [0.1052, 0.9566, 0.98, 0.983]
    axis = accuracy_axis(values, values, values)
    assert axis.kind == "log"
    places = [axis.at(value) for value in values]
    assert places == sorted(places)
    assert places[2] - places[1] > 10
    assert len([tick for tick in axis.ticks if 0 <= axis.at(tick) <= 100]) >= 4


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0], [0.0], [0.0, 1.0], [0.5] * 3, [1.0, 0.9999]])
def test_axes_of_extreme_accuracies(values):
    axis = accuracy_axis(values, values, values)
    assert all(0 <= axis.at(value) <= 100 for value in values)
    assert all(0 <= tick <= 1 for tick in axis.ticks)


@pytest.mark.parametrize(("values", "kind"), [
    ([1, 2, 30], "linear"), ([1, 31], "log"), ([0, 5], "linear"), ([0, 0], "linear"),
    ([7], "linear"), ([1e-300, 1e300], "log"), ([2**63], "linear"),
])
def test_amounts(values, kind):
    axis = amount_axis(values)
    assert axis.kind == kind
    assert all(0 <= axis.at(value) <= 100 for value in values)
    assert 1 <= len(axis.ticks) <= 20


@pytest.mark.parametrize(("axis", "ticks"), [
    (amount_axis([11978, 6962]), [0, 5000, 10000, 15000]),
    (amount_axis([1.0]), [0, 0.2, 0.4, 0.6, 0.8, 1]),
    (log_axis([70, 6000]), [100, 200, 500, 1000, 2000, 5000]),
    (zoomed_axis(2.0, 3.0), [2, 2.5, 3]),
    (score_axis([3.0, 0.001]), [0.001, 0.01, 0.1, 1]),
])
def test_ticks_are_round(axis, ticks):
    assert [float(f"{tick:.6g}") for tick in axis.ticks] == ticks


def test_wilson_of_the_source():
    # 81 of 263: Newcombe, Statistics in Medicine 17 (1998), table I, method 3
    low, high = interval(Score(stage="", value=81 / 263, samples=263))
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert interval(Score(stage="", value=1.0, samples=10))[1] == 1.0
    assert interval(Score(stage="", value=0.5)) == (0.5, 0.5)


def test_a_histogram_has_a_bar_for_each_level_that_is_taken():
    text = histogram([-1, 0, 1, 2], [3, 500, 0, 1])
    assert text.count("<rect") == 3
    assert "<title>-1: 3</title>" in text
    histogram([0], [0])
    histogram([5], [7])


def test_curves_of_one_point_and_of_equal_ones():
    for points in ([(1, 2.0)], [(1, 0.0), (2, 0.0)], [(1, -3.0), (2, 4.0)], [(1, 1e-9), (9, 1e9)]):
        assert "nan" not in curve(points, number, "loss")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234567, "1\u202f234\u202f567"), (1.644, "1.64"), (123.45, "123.5"),
     (4321.6, "4\u202f322"), (25.0, "25"), (0.0004567, "0.000457"), (-0.5, "\u22120.5"),
     (1e-9, "1e\u221209"), (1e300, "1e+300"), (9.999, "10"), (0.1, "0.1")],
)
def test_numbers_are_short(value, text):
    assert number(value) == text


def test_shares_are_percent():
    assert percent(0.98333) == "98.33\u202f%"
