"""Weight codes as bytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhot.contract.codes import pack_codes, unpack_codes
from nhot.errors import NhotError


@st.composite
def codes_and_bits(draw):
    bits = draw(st.integers(1, 16))
    shape = draw(st.integers(0, 5)), draw(st.integers(1, 20))
    flat = draw(st.lists(st.integers(0, 2**bits - 1), min_size=shape[0] * shape[1],
                         max_size=shape[0] * shape[1]))
    return np.array(flat, np.int64).reshape(shape), bits


def pack_by_hand(codes, bits):
    """Each word as one integer, the first code in its low bits."""
    size = (codes.shape[1] * bits + 7) // 8
    words = (sum(int(c) << (i * bits) for i, c in enumerate(word)) for word in codes)
    return b"".join(word.to_bytes(size, "little") for word in words)


@given(codes_and_bits())
def test_packing_by_hand(case):
    codes, bits = case
    assert pack_codes(codes, bits) == pack_by_hand(codes, bits)


@given(codes_and_bits())
def test_round_trip(case):
    codes, bits = case
    assert (unpack_codes(pack_codes(codes, bits), bits, codes.shape[1]) == codes).all()


@given(codes_and_bits(), st.randoms())
def test_padding_is_ignored(case, random):
    codes, bits = case
    used = codes.shape[1] * bits
    size = (used + 7) // 8
    packed = bytearray(pack_codes(codes, bits))
    for end in range(size - 1, len(packed), size):
        packed[end] |= random.randrange(256) << (used - 8 * (size - 1)) & 0xFF
    assert (unpack_codes(bytes(packed), bits, codes.shape[1]) == codes).all()


def test_an_example():
    assert pack_codes([[1, 2, 3]], 7).hex() == "01c100"
    assert pack_codes([[0x7F, 0], [0, 0x7F]], 7).hex() == "7f00803f"
    assert pack_codes(np.zeros((0, 4), int), 7) == b""
    assert unpack_codes(b"", 7, 4).shape == (0, 4)


@pytest.mark.parametrize("code", [-1, 128])
def test_codes_that_do_not_fit(code):
    with pytest.raises(NhotError, match=rf"must have 7 bits, not {code}"):
        pack_codes([[1, code]], 7)


def test_shapes_and_lengths():
    with pytest.raises(NhotError, match="must have shape"):
        pack_codes([1, 2], 7)
    with pytest.raises(NhotError, match="whole words of 4 bytes, not 6 bytes"):
        unpack_codes(bytes(6), 7, 4)
    with pytest.raises(NhotError, match="whole words of 0 bytes"):
        unpack_codes(bytes(6), 7, 0)
    with pytest.raises(NhotError, match="must be 1 to 32, not 0"):
        pack_codes([[0]], 0)


def test_codes_of_up_to_32_bits():
    codes = [[0xFFFF_FFFF, 1], [0, 0x8000_0000]]
    assert unpack_codes(pack_codes(codes, 32), 32, 2).tolist() == codes
    with pytest.raises(NhotError, match="Bits of a code must be 1 to 32, not 33"):
        pack_codes([[0]], 33)
