# amaranth: UnusedElaboratable=no
"""Widths of a core's sums: exact for all weights, proved for given ones."""

import json

import numpy as np
import pytest

from nhot.errors import NhotError
from nhot.network.file import save
from nhot.testing.engine_networks import sample_network
from nhot_hw.core import LaneProduct
from nhot_hw.core.widths import proved_bits, steps_that_fit
from nhot_hw.testing.cores import core
from nhot_hw.testing.lane_specs import spec_of


def test_widths_are_exact():
    spec = spec_of(format="ternary", inputs=1, accumulator_bits=8)
    # -(-128) needs nine bits, but ~(-128) is 127.
    assert steps_that_fit(spec) == 1
    assert steps_that_fit(spec_of(format="signed-binary", inputs=2, accumulator_bits=17,
                                  activation_signed=False)) == 65535 // 510
    LaneProduct(spec)
    with pytest.raises(NhotError, match="must have at least 9 bits"):
        LaneProduct(spec_of(format="ternary", inputs=2, accumulator_bits=8))


def weights_file(tmp_path, weights):
    np.save(tmp_path / "w.npy", weights)
    return tmp_path / "w.npy"


@pytest.mark.parametrize(("name", "weights", "bits"), [
    ("int8", [[1] * 256], 16),  # -2^15 to 127 * 256
    ("int8", [[1] * 257], 17),
    ("signed-binary", [[-1] * 256, [1] * 3], 16),
    ("ternary", [[0, 0, 1]], 8),
    ("ternary", [[-1] * 256], 17),  # the sum made good for is 2^15
    ("signed-binary/16", [[-1] * 256], 17),
])
def test_width_is_proved_from_weights(tmp_path, name, weights, bits):
    padded = [[*one, *[0] * (len(weights[0]) - len(one))] for one in weights]
    path = weights_file(tmp_path, np.array(padded))
    assert proved_bits(path, spec_of(format=name, inputs=1)) == (bits, len(weights))


def test_proved_width_holds_the_extremes(tmp_path):
    rng = np.random.default_rng(0)
    spec = spec_of(format="2hot", inputs=4)
    w = rng.choice(spec.format.levels, (3, 40))
    bits, _ = proved_bits(weights_file(tmp_path, w), spec)
    sums = [
        spec.compute(np.where(one >= 0, end, -1 - end).reshape(-1, 4), one.reshape(-1, 4))
        for one in w for end in (-128, 127)
    ]
    assert max(max(sums), ~min(sums)).bit_length() + 1 <= bits
    exact = [int(np.abs(one).sum()) * 128 for one in w]
    assert bits <= max(exact).bit_length() + 1


def test_width_of_a_network(tmp_path, capsys):
    network = sample_network("2hot", seed=1)
    save(network, tmp_path / "net.onnx")
    bits, filters = proved_bits(tmp_path / "net.onnx", spec_of(inputs=8))
    assert filters > 4
    assert core(tmp_path / "X", "--format", "2hot", "--weights", tmp_path / "net.onnx") == 0
    values = json.loads((tmp_path / "X" / "core.json").read_text(encoding="utf-8"))
    assert values["accumulator_bits"] == bits
    assert f"{filters:,} filters of net.onnx" in (tmp_path / "X" / "README.md").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize(("weights", "text"), [
    (np.ones((2, 3)), "integers, filters along the first of at least two axes, not float64"),
    (np.ones(3, np.int8), "of at least two axes, not int8 of shape \\(3,\\)"),
    (np.ones((0, 3), np.int8), "not int8 of shape \\(0, 3\\)"),
    (np.full((1, 2), 11), "Weight at index \\(0, 0\\) must be a level of 2hot, not 11"),
])
def test_weights_that_are_none_are_refused(tmp_path, weights, text):
    with pytest.raises(NhotError, match=text):
        proved_bits(weights_file(tmp_path, weights), spec_of())


def test_steps_filled_up_with_zeros_are_counted(tmp_path):
    """A zero in 2-hot is 1 - 1, and is short of one, too."""
    path = weights_file(tmp_path, np.zeros((1, 300, 1), np.int8))
    assert proved_bits(path, spec_of(inputs=1)) == (10, 1)
    assert proved_bits(path, spec_of(inputs=4)) == (12, 1)


def test_weights_of_both_signs_in_a_step_are_refused(tmp_path):
    path = weights_file(tmp_path, np.array([[1, 1, 0, -1]]))
    assert proved_bits(path, spec_of(format="signed-binary/4", inputs=2))[1] == 1
    with pytest.raises(NhotError, match="Weights of a step must have one sign in signed-binary/4"):
        proved_bits(path, spec_of(format="signed-binary/4", inputs=4))


def test_layer_of_other_weights_is_named(tmp_path):
    save(sample_network("3hot", seed=1), tmp_path / "net.onnx")
    with pytest.raises(NhotError, match=r"^Layer '\w+': Weight at index .* level of 1hot, not"):
        proved_bits(tmp_path / "net.onnx", spec_of(format="1hot"))
