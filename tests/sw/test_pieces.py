"""How joined channels lie in words: each part from a word on, and no hole that need not be."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhot.compiler.layout import Placement
from nhot.compiler.pieces import check_pieces, join, places, position_words
from nhot.errors import NhotError
from nhot.network import Tensor

PARTS = st.lists(st.integers(1, 20), min_size=1, max_size=6)


@given(parts=PARTS, inputs=st.integers(1, 9))
def test_each_part_begins_with_a_word(parts, inputs):
    pieces, channels = join([(part, ()) for part in parts], inputs), sum(parts)
    lie = places(channels, pieces, inputs)
    start = word = 0
    for part in parts:
        assert lie[start : start + part].tolist() == list(
            range(word * inputs, word * inputs + part)
        )
        start, word = start + part, word - (-part // inputs)
    assert position_words(channels, pieces, inputs) == word
    assert check_pieces(channels, pieces, inputs)
    dense = -(-channels // inputs) == word and lie[-1] == channels - 1
    assert (pieces == ()) == dense


@given(parts=PARTS, more=PARTS, inputs=st.integers(1, 9))
def test_joined_tensors_are_joined_as_their_parts(parts, more, inputs):
    both = [(part, ()) for part in parts], [(part, ()) for part in more]
    nested = [(sum(of), join(each, inputs)) for of, each in zip((parts, more), both, strict=True)]
    assert join(nested, inputs) == join([*both[0], *both[1]], inputs)


@pytest.mark.parametrize(("pieces", "good"), [
    ((), True), ((3, 4), True), ((1, 6), True), ((7,), False), ((4, 3), False), ((3, 5), False),
    ((3, 0, 4), False), ((-1, 8), False),
])
def test_pieces_are_told_in_one_way(pieces, good):
    assert check_pieces(7, pieces, 4) == good
    tensor = Tensor(name="x", shape=(1, 1, 7))
    place = Placement.of(tensor, 0, 4)
    if good:
        words = 2 if pieces == () else sum(-(-piece // 4) for piece in pieces)
        assert replace(place, pieces=pieces, words=words).words == words
    else:
        with pytest.raises(NhotError, match="Tensor 'x' pieces must be those of a joined tensor"):
            replace(place, pieces=pieces)


def test_wide_numbers_have_no_pieces():
    place = Placement.of(Tensor(name="x", shape=(1, 1, 7), bits=16), 0, 4)
    with pytest.raises(NhotError, match="Tensor 'x' pieces must be"):
        replace(place, pieces=(3, 4))


def test_holes_are_left_out():
    tensor = Tensor(name="x", shape=(2, 3, 7), signed=True)
    place = Placement.of(tensor, 0, 4, pieces=(3, 4))
    assert place.words == 2 * 3 * 2
    values = np.arange(42).reshape(tensor.shape)
    data = place.pack(values)
    assert data[:8] == bytes([0, 1, 2, 0, 3, 4, 5, 6])
    np.testing.assert_array_equal(place.unpack(data), values)
    filled = bytearray(data)
    filled[3::8] = b"\x7f" * 6
    np.testing.assert_array_equal(place.unpack(bytes(filled)), values)
