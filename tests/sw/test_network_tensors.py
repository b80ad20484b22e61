"""Tensors and windows are checked when they are built, and values against them."""

from dataclasses import replace

import numpy as np
import pytest

from nhot.errors import NhotError
from nhot.network import Tensor, Window

X = Tensor(name="x", shape=(6, 5, 4))


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        ({"name": None}, TypeError, "must be a text"),
        ({"name": ""}, NhotError, "Name of a tensor must be 1 to 255 visible characters, not ''"),
        ({"name": "a\x1b[2Jb"}, NhotError, r"visible characters, not 'a\\x1b\[2Jb'"),
        ({"name": "\udcff"}, NhotError, r"visible characters, not '\\udcff'"),
        ({"name": "a" * 256}, NhotError, r"visible characters, not 'a+\.\.\.a+'"),
        ({"shape": (3, 3)}, NhotError, "each at least 1"),
        ({"shape": (3, 0, 3)}, NhotError, "each at least 1"),
        ({"shape": (1 << 16, 1 << 15, 2)}, NhotError, "must have at most 2147483648 elements"),
        ({"shape": (3.0, 3, 3)}, TypeError, "integer"),
        ({"bits": 8.0}, TypeError, "integer"),
        ({"zero_point": 0.5}, TypeError, "integer"),
        ({"signed": 2}, TypeError, "must be a bool, not 2"),
        ({"bits": 1}, NhotError, "must be 2 to 16, not 1"),
        ({"bits": 17}, NhotError, "must be 2 to 16, not 17"),
        ({"zero_point": 256}, NhotError, "must be 0 to 255, not 256"),
        ({"zero_point": 128, "signed": True}, NhotError, "must be -128 to 127, not 128"),
        ({"scale": 0.0}, NhotError, r"must be 2\^-126 to 2\^127, not 0.0"),
        ({"scale": float("nan")}, NhotError, r"must be 2\^-126 to 2\^127, not nan"),
        ({"scale": -1.0}, NhotError, r"must be 2\^-126 to 2\^127"),
        ({"scale": 1e39}, NhotError, r"must be 2\^-126 to 2\^127"),
        ({"scale": 10**400}, NhotError, r"must be 2\^-126 to 2\^127"),
        ({"scale": "1"}, TypeError, "not supported"),
    ],
)
def test_tensors_that_cannot_be(change, kind, text):
    with pytest.raises(kind, match=text):
        replace(X, **change)


def test_tensor_ranges():
    for bits, signed, low, high in ((8, False, 0, 255), (8, True, -128, 127), (2, True, -2, 1)):
        tensor = replace(X, bits=bits, signed=signed)
        assert (tensor.low, tensor.high) == (low, high)
    assert X.size == 120


@pytest.mark.parametrize(
    "values",
    [{"kernel": (0, 1)}, {"kernel": (1,)}, {"kernel": (1, 1), "stride": (0, 1)},
     {"kernel": (1, 1), "padding": (0, 0, -1, 0)}, {"kernel": (1, 1), "padding": (1, 1)},
     {"kernel": (1, 1), "dilation": (1, 0)}, {"kernel": (65537, 1)},
     {"kernel": (1, 1), "padding": (0, 0, 0, 10**8)}],
)
def test_windows_that_cannot_be(values):
    with pytest.raises(NhotError, match=r"Window \w+ must be \d numbers, each \d to 65536, not"):
        Window(**values)


@pytest.mark.parametrize(("signed", "low", "high"), [(False, 0, 255), (True, -128, 127)])
def test_the_first_value_out_of_range_is_named(signed, low, high):
    tensor = Tensor(name="x", shape=(1, 2, 2), signed=signed)
    values = np.array([[[[low, high], [high, low]]]])
    tensor.check(values)
    for value in (low - 1, high + 1):
        wrong = values.copy()
        wrong[0, 0, 1, 0] = value
        text = rf"'x' at index \(0, 0, 1, 0\) must be {low} to {high}, not {value}$"
        with pytest.raises(NhotError, match=text):
            tensor.check(wrong)
    with pytest.raises(NhotError, match="Tensor 'x' must hold integers, not float64"):
        tensor.check(values.astype(float))
    with pytest.raises(NhotError, match=r"must have shape \(batch, 1, 2, 2\), not \(1, 2, 2\)"):
        tensor.check(values[0])
