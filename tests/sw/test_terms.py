"""Signed-digit arithmetic."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhot.formats import extend_terms, naf_terms, naf_weight, sum_terms

INTEGERS = st.integers(-(2**40), 2**40)


@given(INTEGERS)
def test_naf_adds_up(value):
    assert sum_terms(naf_terms(value)) == value


@given(INTEGERS)
def test_naf_has_no_neighbours(value):
    shifts = [shift for _, shift in naf_terms(value)]
    assert all(b - a >= 2 for a, b in itertools.pairwise(shifts))


@given(INTEGERS)
def test_weight_counts_digits(value):
    assert naf_weight(value) == len(naf_terms(value))


def test_weight_is_the_fewest_terms():
    fewest = {0: 0}
    for count in (1, 2, 3, 4, 5):
        singles = [sign << shift for shift in range(10) for sign in (1, -1)]
        reached = {v + s for v, n in list(fewest.items()) if n == count - 1 for s in singles}
        for value in reached:
            fewest.setdefault(value, count)
    assert all(naf_weight(v) == fewest[v] for v in range(-255, 256))


@given(INTEGERS, st.integers(0, 4))
def test_extended_terms_add_up(value, extra):
    terms = naf_terms(value)
    count = len(terms) + extra
    if not terms and count == 1:
        count = 2
    longer = extend_terms(terms, count)
    assert len(longer) == count
    assert sum_terms(longer) == value
    assert all(sign in {-1, 1} and shift >= 0 for sign, shift in longer)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_extended_shifts_stay_in_range(count):
    for value in range(-127, 128):
        if naf_weight(value) <= count:
            longest = max((shift for _, shift in naf_terms(value)), default=0)
            assert max(s for _, s in extend_terms(naf_terms(value), count)) <= max(longest, 1)


def test_terms_that_do_not_fit():
    with pytest.raises(ValueError, match="at most 1, not 2"):
        extend_terms(naf_terms(3), 1)
    with pytest.raises(ValueError, match="Zero has no form"):
        extend_terms((), 1)
    assert extend_terms((), 0) == ()
