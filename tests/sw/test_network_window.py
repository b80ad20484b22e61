"""Windows, by counting positions one after the other."""

import itertools

import numpy as np
import pytest

from nhot.errors import NhotError
from nhot.network import Tensor, Window
from nhot.network.terms import MOST, terms_table
from nhot.network.window import LARGEST

WINDOWS = list(itertools.product(range(1, 4), range(1, 4), range(1, 4), range(4), range(4)))


def along(kernel, stride, dilation, before, after, axis):
    """A window that does this along one axis, and nothing along the other."""
    def pair(value, other=1):
        return (value, other) if axis == 0 else (other, value)

    padding = (before, 0, after, 0) if axis == 0 else (0, before, 0, after)
    return Window(
        kernel=pair(kernel), stride=pair(stride), dilation=pair(dilation), padding=padding
    )


def positions(size, kernel, stride, dilation, before, after):
    """Where the taps of each output lie, in coordinates of the input."""
    start, found = -before, []
    while start + (kernel - 1) * dilation < size + after:
        found.append([start + tap * dilation for tap in range(kernel)])
        start += stride
    return found


@pytest.mark.parametrize("axis", [0, 1])
def test_positions(axis):
    for size, values in itertools.product(range(1, 6), WINDOWS):
        window = along(*values, axis)
        sizes = (size, 1) if axis == 0 else (1, size)
        found = positions(size, *values)
        if not found:
            with pytest.raises(NhotError, match="must fit its padded input"):
                window.output_size(*sizes)
            continue
        assert window.output_size(*sizes) == ((len(found), 1) if axis == 0 else (1, len(found)))
        sees = all(any(0 <= tap < size for tap in taps) for taps in found)
        assert window.sees_input(*sizes) == sees
        assert window.taps == values[0]


@pytest.mark.parametrize("axis", [0, 1])
def test_positions_of_a_transposed_convolution(axis):
    for size, extra, values in itertools.product(range(1, 5), range(2), WINDOWS):
        kernel, stride, dilation, before, after = values
        window = along(*values, axis)
        last = max(p * stride + t * dilation for p in range(size) for t in range(kernel))
        count = last + 1 - before - after + extra
        sizes, extras = ((size, 1), (extra, 0)) if axis == 0 else ((1, size), (0, extra))
        if count < 1:
            with pytest.raises(NhotError, match="must leave something of the output"):
                window.transposed_size(*sizes, extras)
        else:
            expected = (count, 1) if axis == 0 else (1, count)
            assert window.transposed_size(*sizes, extras) == expected


def test_the_largest_window_is_seen_at_once():
    """What takes 2^32 steps tap by tap."""
    whole = Window(kernel=(LARGEST, LARGEST), padding=(LARGEST - 1, LARGEST - 1, 0, 0))
    assert whole.sees_input(1 << 15, 1 << 15)
    gaps = Window(kernel=(2, 1), dilation=(LARGEST, 1), padding=(LARGEST, 0, 1, 0))
    assert not gaps.sees_input(LARGEST - 1, 1)
    assert gaps.sees_input(LARGEST, 1)


@pytest.mark.parametrize("value", [LARGEST + 1, 10**8, 10**30, -1])
@pytest.mark.parametrize("what", ["kernel", "stride", "padding", "dilation"])
def test_windows_beyond_all_use(what, value):
    sizes = (0, 0, 0, value) if what == "padding" else (1, value)
    with pytest.raises(NhotError, match=f"Window {what} must be . numbers, each . to 65536, not"):
        Window(**{"kernel": (1, 1), what: sizes})


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("signed", [False, True])
def test_terms_of_activations_by_trying_all_sums(bits, signed):
    plain = Tensor(name="x", shape=(1, 1, 1), bits=bits, signed=signed)
    powers = [sign << shift for shift in range(bits + 2) for sign in (-1, 1)]
    for zero_point in {plain.low, plain.low + 1, (plain.low + plain.high) // 2, plain.high}:
        x = Tensor(name="x", shape=(1, 1, 1), bits=bits, signed=signed, zero_point=zero_point)
        sums = {0}
        for n in range(1, 4):
            sums |= {value + power for value in sums for power in powers}
            held = [value for value in sums if x.low <= value + zero_point <= x.high]
            nearest = [
                zero_point + min(held, key=lambda s, v=value - zero_point: (abs(s - v), abs(s)))
                for value in range(x.low, x.high + 1)
            ]
            assert terms_table(x, n).tolist() == nearest


def test_terms_beyond_all_use():
    x = Tensor(name="x", shape=(1, 1, 1))
    assert (terms_table(x, MOST) == np.arange(256)).all()
    for n in (0, MOST + 1):
        with pytest.raises(NhotError, match=f"must be 1 to 8, not {n}"):
            terms_table(x, n)
