"""Requantisation: short-sum multipliers, and rounding half up."""

import fractions
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhot.errors import NhotError
from nhot.formats import naf_weight
from nhot.network.requant import LARGEST, MAX_TERMS, SHIFT, Requant, short_sum


def wide(multiplier, zero_point=0):
    """A requantisation that hardly clamps."""
    return Requant(
        multiplier=np.array(multiplier), zero_point=zero_point, low=-(2**40), high=2**40
    )


def by_hand(value, multiplier):
    """The product over 2**24, half up, in exact arithmetic."""
    return math.floor(fractions.Fraction(value * multiplier, 2**SHIFT) + fractions.Fraction(1, 2))


@given(st.integers(-(2**31), 2**31), st.floats(-127, 127))
def test_compute_by_hand(value, scale):
    multiplier = short_sum(scale * 2**SHIFT)
    assert wide([multiplier]).compute(np.array([value])).tolist() == [by_hand(value, multiplier)]


def test_ties_go_up():
    half = wide([2 ** (SHIFT - 1)])
    values = np.array([-5, -3, -1, 1, 3, 5])[:, None]
    assert half.compute(values)[:, 0].tolist() == [-2, -1, 0, 1, 2, 3]
    negative = wide([-(2 ** (SHIFT - 1))])
    assert negative.compute(values)[:, 0].tolist() == [3, 2, 1, 0, -1, -2]


def test_zero_point_then_clamp():
    requant = Requant(multiplier=np.array([2**SHIFT]), zero_point=-10, low=-20, high=5)
    values = np.array([-100, -10, -9, 0, 15, 16, 100])[:, None]
    assert requant.compute(values)[:, 0].tolist() == [-20, -20, -19, -10, 5, 5, 5]


def test_one_multiplier_a_channel():
    requant = wide([2**SHIFT, 0, -(2**SHIFT), 2 ** (SHIFT + 3)])
    values = np.array([[1, 2, 3, 4], [-1, -2, -3, -4]])
    assert requant.compute(values).tolist() == [[1, 0, -3, 32], [-1, 0, 3, -32]]


def test_largest_products_are_exact():
    requant = wide([LARGEST, -LARGEST])
    values = np.array([[2**30, 2**30], [-(2**30), -(2**30)], [2**30 - 1, 1]])
    expected = [[by_hand(int(v), m) for v, m in zip(row, (LARGEST, -LARGEST), strict=True)]
                for row in values]
    assert requant.compute(values).tolist() == expected


@given(st.floats(2.0**-10, 2.0**31))
def test_short_sum_is_near(value):
    short = short_sum(value)
    assert naf_weight(short) <= MAX_TERMS
    assert abs(short - value) <= 0.5 + 0.0059 * value
    assert short_sum(-value) == -short


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_more_terms_are_nearer(value, terms):
    assert abs(short_sum(value, terms) - value) >= abs(short_sum(value, terms + 1) - value)


@given(st.integers(-(2**31), 2**31))
def test_short_values_stay(value):
    if naf_weight(value) <= MAX_TERMS:
        assert short_sum(value) == value


def greedy(value, terms):
    """The nearest of all powers of what is left, of two the larger, again and again."""
    rest = value
    for _ in range(terms):
        power = min((1 << k for k in range(14)), key=lambda p: (abs(abs(rest) - p), -p))
        rest -= power * ((rest > 0) - (rest < 0))
    return value - rest


@pytest.mark.parametrize("terms", range(1, 6))
def test_short_sum_takes_the_nearest_power(terms):
    for value in range(-2500, 2501):
        assert short_sum(value, terms) == greedy(value, terms)


def test_a_tie_between_two_sums_goes_away_from_zero():
    assert [short_sum(3 << k, 1) for k in range(5)] == [4 << k for k in range(5)]
    assert [short_sum(-(3 << k), 1) for k in range(5)] == [-(4 << k) for k in range(5)]
    assert short_sum(1024 + 3, 2) == 1024 + 4
    assert short_sum(1024 - 3, 2) == 1024 - 4
    requant = Requant.from_scale([1.5, -1.5, 3], zero_point=0, low=0, high=1, terms=1)
    assert requant.multiplier.tolist() == [2 << SHIFT, -(2 << SHIFT), 4 << SHIFT]


def test_short_sum_rounds_half_to_even():
    assert [short_sum(v) for v in (0.5, 1.5, 2.5, -0.5, -1.5)] == [0, 2, 2, 0, -2]


def test_short_sum_is_the_best():
    reachable = np.array([v for v in range(2**13) if naf_weight(v) <= 3])
    for value in range(2**12):
        assert abs(short_sum(value, 3) - value) == np.abs(reachable - value).min()


def test_from_scale():
    requant = Requant.from_scale([0.5, -0.25, 0, 2.0**-18], zero_point=3, low=0, high=255)
    assert requant.multiplier.tolist() == [2**23, -(2**22), 0, 64]
    assert (requant.zero_point, requant.low, requant.high) == (3, 0, 255)
    largest = Requant.from_scale(2.0**7 - 2.0**-30, zero_point=0, low=0, high=1)
    assert largest.multiplier.tolist() == [LARGEST]


@pytest.mark.parametrize("scale", [2.0**7, 2.0**-19, -300.0, np.inf, np.nan])
def test_scales_out_of_range(scale):
    with pytest.raises(NhotError, match=r"Scale of channel 1 must be 0 or between 2\^-18 and 2\^7"):
        Requant.from_scale([1.0, scale], zero_point=0, low=0, high=1)


@pytest.mark.parametrize(
    ("multiplier", "low", "text"),
    [
        ([1, 0b10101010101], 0, "channel 1 must be a sum of at most 4 signed powers of two"),
        ([2**31 + 1], 0, r"at most 2\^31"),
        ([-(2**32)], 0, r"at most 2\^31"),
        ([[1]], 0, "one number a channel"),
        ([1], 2, "must not be empty, not 2 to 1"),
        ([-0b10101010101], 0, "at most 4 signed powers of two"),
        (np.array([2**63], np.uint64), 0, r"Multipliers must be below 2\^63"),
    ],
)
def test_refused(multiplier, low, text):
    with pytest.raises(NhotError, match=text):
        Requant(multiplier=np.array(multiplier), zero_point=0, low=low, high=1)


def test_the_largest_that_are_taken():
    most = [LARGEST, -LARGEST, 0b1010101, -0b1010101]
    requant = Requant(multiplier=np.array(most), zero_point=0, low=7, high=7)
    assert requant.multiplier.tolist() == most
    assert requant.compute(np.full(4, 3)).tolist() == [7] * 4
    ends = [2.0**-18, -(2.0**-18), np.nextafter(2.0**7, 0), -np.nextafter(2.0**7, 0)]
    assert len(Requant.from_scale(ends, zero_point=0, low=0, high=1).multiplier) == 4
    for beyond in (np.nextafter(2.0**-18, 0), -np.nextafter(2.0**-18, 0), -(2.0**7)):
        with pytest.raises(NhotError, match="Scale of channel 0 must be 0 or between"):
            Requant.from_scale(beyond, zero_point=0, low=0, high=1)


def test_multipliers_are_sealed_copies():
    multiplier = np.array([4, 2])
    requant = Requant(multiplier=multiplier, zero_point=0, low=0, high=1)
    multiplier[:] = 0
    assert requant.multiplier.tolist() == [4, 2]
    with pytest.raises(ValueError, match="read-only"):
        requant.multiplier[0] = 1
    assert Requant(multiplier=8, zero_point=0, low=0, high=1).multiplier.tolist() == [8]


def test_multipliers_must_be_integers():
    with pytest.raises(TypeError, match="Multipliers must be integers"):
        Requant(multiplier=np.array([0.5]), zero_point=0, low=0, high=1)
