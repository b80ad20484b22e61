"""Signed-binary: one sign in a filter or a region, and what a step of it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhot.errors import NhotError
from nhot.formats import SignedBinary

each_region = pytest.mark.parametrize("tile", [1, 4, 16])


@each_region
@given(st.data())
def test_a_step_of_a_region_is_its_gates_and_their_sign(tile, data):
    fmt = SignedBinary(tile=tile)
    gates = data.draw(st.lists(st.integers(0, 1), min_size=1, max_size=8))
    sign = data.draw(st.sampled_from([1, -1]))
    negative = int(sign < 0 and any(gates))
    step = [sign * gate for gate in gates]
    assert fmt.encode(step).tolist() == fmt.to_fields(step).tolist() == [*gates, negative]
    assert int(fmt.inverted_terms(step)) == negative
    for x in (-128, -1, 0, 77, 127):  # what a lane adds: the sum of what is let through, or its ~
        total = x * sum(gates)
        assert (~total if negative else total) + negative == x * sum(step)


def test_steps_of_both_signs_are_refused():
    fmt = SignedBinary(tile=4)
    for what in (fmt.encode, fmt.to_fields, fmt.inverted_terms):
        with pytest.raises(NhotError, match=r"must have one sign in signed-binary/4, .* \(1, 0\)"):
            what([[[0, 1], [-1, -1]], [[1, -1], [0, 0]]])


def test_a_minus_without_weights_is_refused():
    fmt = SignedBinary(tile=4)
    message = r"Sign of signed-binary/4 at index \(1,\) must be 0 for weights of 0"
    with pytest.raises(NhotError, match=message):
        fmt.decode([[0, 1, 1], [0, 0, 1]])


@pytest.mark.parametrize(("weights", "text"), [
    ([[1, 1, -1, -1, 0]] * 3 + [[0, 0, 0, 1, -1]], None),
    ([[1, 1, 1, 1, 1], [0, 1, -1, 1, 0]], "Channels 2 to 3 of filter 1 must have one sign in"),
    ([[0, 0, 0, 0, -1]], None),
    ([[[1, 1, 1], [0, 0, 1]], [[1, 0, 1], [1, 0, -1]]], "Channels 2 to 2 of filter 1"),
    ([[[[1, 0]], [[0, -1]]]], "Channels 0 to 1 of filter 0 must have one sign in signed-binary/2"),
])
def test_regions_have_one_sign(weights, text):
    fmt = SignedBinary(tile=2)
    if text is None:
        fmt.check_regions(weights)
    else:
        with pytest.raises(NhotError, match=text):
            fmt.check_regions(weights)
    SignedBinary().check_regions(np.abs(weights))


def test_signed_binary_folds_signs():
    fmt = SignedBinary()
    levels, signs = fmt.fold_signs([[0, 1, 1], [0, -1, 0], [0, 0, 0], [-1, -1, -1]])
    assert levels.tolist() == [[0, 1, 1], [0, 1, 0], [0, 0, 0], [1, 1, 1]]
    assert signs.tolist() == [1, -1, 1, -1]


def test_signed_binary_refuses_a_mixed_filter():
    with pytest.raises(NhotError, match="Filter 1 of a signed-binary layer must have one sign"):
        SignedBinary().fold_signs([[[0, 1]], [[1, -1]]])
    with pytest.raises(NhotError, match="must be a level of signed-binary, not 2"):
        SignedBinary().fold_signs([[0, 2]])


def test_tiles_keep_their_signs():
    levels, signs = SignedBinary(tile=2).fold_signs([[1, 0, -1, -1]])
    assert (levels.tolist(), signs.tolist()) == ([[1, 0, -1, -1]], [1])
    with pytest.raises(NhotError, match=r"must be 0 \(none\) or more, not -1"):
        SignedBinary(tile=-1)
