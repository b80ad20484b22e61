"""What a lane is asked for: its contract, its reference, and what is refused."""


import numpy as np
import pytest

from nhot.contract.config import EngineConfig
from nhot.errors import NhotError
from nhot.formats import parse
from nhot_hw.lanes import LaneSpec, for_config
from nhot_hw.testing.lane_specs import spec_of


def test_the_range_of_an_activation():
    assert spec_of("2hot", 2).activation_range == (-128, 127)
    narrow = spec_of("2hot", 2, activation_bits=5, activation_signed=False)
    assert narrow.activation_range == (0, 31)


@pytest.mark.parametrize(("name", "inputs", "style", "ii"), [
    ("2hot", 4, "parallel", 1), ("2hot", 4, "serial", 2), ("3hot", 1, "serial", 3),
    ("ternary", 8, "serial", 1), ("int8", 1, "parallel", 1), ("2hot", 4, "chain", 1),
    ("int8", 4, "rows", 1),
])
def test_ii(name, inputs, style, ii):
    assert spec_of(name, inputs, style).ii == ii


@pytest.mark.parametrize(("name", "inputs", "style", "latency"), [
    ("2hot", 16, "parallel", 7), ("2hot", 16, "chain", 8), ("1hot", 16, "chain", 7),
    ("1hot", 3, "chain", 4), ("signed-binary", 16, "chain", 7), ("binary", 16, "chain", 7),
    ("5hot@9", 2, "chain", 7), ("int8", 16, "rows", 10),
    ("int3", 1, "rows", 3),
])
def test_latency(name, inputs, style, latency):
    assert spec_of(name, inputs, style).latency == latency


@pytest.mark.parametrize(("name", "inputs", "style", "ii", "latency"), [
    ("2hot", 4, "parallel", 1, 5), ("2hot", 4, "serial", 2, 4), ("3hot", 1, "serial", 3, 2),
    ("3hot", 11, "parallel", 1, 8), ("1hot", 2, "parallel", 1, 3), ("ternary", 8, "serial", 1, 5),
    ("signed-binary", 11, "parallel", 1, 6), ("signed-binary/44", 4, "parallel", 1, 4),
    ("binary", 11, "parallel", 1, 6), ("binary", 5, "chain", 1, 6),
    ("int8", 1, "parallel", 1, 2),
])
def test_engines_and_their_lanes_take_as_many_cycles(name, inputs, style, ii, latency):
    config = EngineConfig(filters=inputs, inputs=inputs, format=name, lane=style)
    assert (config.step_cycles, config.lane_latency) == (ii, latency)
    spec = for_config(config)
    assert (spec.ii, spec.latency) == (ii, latency)


def test_reference_counts_the_missing_ones():
    spec = spec_of("2hot", 2)
    x, w = np.array([[3, -5]]), np.array([[-96, 7]])
    missing = int(spec.format.inverted_terms(w).sum())
    assert missing > 0
    assert spec.compute(x, w) == 3 * -96 - 5 * 7 - missing


def test_bias_makes_up_for_the_missing_ones():
    spec = spec_of("2hot", 2, bias=True)
    x, w = np.array([[3, -5]]), np.array([[-96, 7]])
    missing = int(spec.format.inverted_terms(w).sum())
    assert spec.compute(x, w, missing) == 3 * -96 - 5 * 7


def test_bias_of_a_lane_without_one_is_refused():
    with pytest.raises(NhotError, match="Bias of a lane without one must be 0, not 3"):
        spec_of("2hot", 1).compute([[1]], [[1]], 3)


def test_pack_puts_input_0_low():
    spec = spec_of("int4", 3)
    assert spec.pack([1, -1, 7]) == 0x7F1


def test_pack_puts_the_sign_on_top():
    spec = spec_of("signed-binary/3", 3)
    assert [spec.pack(w) for w in ([1, 0, 1], [0, -1, -1], [0, 0, 0])] == [0b0101, 0b1110, 0b0000]
    assert spec.weight_bits == 4


def test_fields_of_binary_are_signs():
    spec = spec_of("binary", 4)
    assert spec.pack([1, -1, -1, 1]) == 0b0110
    assert spec.compute([[3, -5, 7, 9]], [[1, -1, -1, 1]]) == 3 + ~-5 + ~7 + 9
    with pytest.raises(NhotError, match=r"Weight at index \(1,\) must be a level of binary, not 0"):
        spec.pack([1, 0, 1, 1])


def test_reference_inverts_the_sum_of_a_step():
    spec = spec_of("signed-binary/2", 2)
    x, w = np.array([[3, -5], [7, 9], [1, 1]]), np.array([[-1, -1], [0, 1], [0, -1]])
    assert spec.compute(x, w) == ~(3 - 5) + 9 + ~1


def test_lane_of_an_engine():
    config = EngineConfig(filters=2, inputs=2, format="3hot", lane="serial", accumulator_bits=20)
    assert for_config(config) == LaneSpec(
        format=parse("3hot"), inputs=2, accumulator_bits=20, style="serial"
    )


@pytest.mark.parametrize(("options", "error", "text"), [
    ({"inputs": 0}, NhotError, "Lane inputs must be 1 to 64, not 0"),
    ({"inputs": 2.0}, TypeError, "Lane inputs must be an integer, not 2.0"),
    ({"inputs": True}, TypeError, "Lane inputs must be an integer, not True"),
    ({"accumulator_bits": 99}, NhotError, "Lane accumulator_bits must be 8 to 64, not 99"),
    ({"activation_bits": 1}, NhotError, "Lane activation_bits must be 2 to 16, not 1"),
    ({"activation_signed": 1}, TypeError, "Lane activation_signed must be a bool, not 1"),
    ({"bias": 1}, TypeError, "Lane bias must be a bool, not 1"),
    ({"style": "fast"}, NhotError,
     "Lane style must be one of 'parallel', 'chain', 'serial', 'rows', not 'fast'"),
    ({"format": parse("int8"), "style": "chain"}, NhotError,
     "Format of a chain lane must be n-hot, signed-binary or binary, not int8"),
    ({"style": "rows"}, NhotError, "Format of a rows lane must be uniform, not 2hot"),
    ({"format": "2hot"}, TypeError, "Format of a lane must be a Format, not '2hot'"),
    ({"format": parse("int8"), "style": "serial"}, NhotError,
     "Format of a serial lane must be n-hot, not int8"),
    ({"format": parse("signed-binary"), "style": "serial"}, NhotError,
     "Format of a serial lane must be n-hot, not signed-binary"),
    ({"format": parse("signed-binary/4"), "style": "serial"}, NhotError,
     "Format of a serial lane must be n-hot, not signed-binary/4"),
    ({"format": parse("signed-binary/16"), "inputs": 3}, NhotError,
     "Inputs of a step must divide the 16 channels of a region of signed-binary/16, not be 3"),
    ({"format": parse("signed-binary/16"), "inputs": 32}, NhotError,
     "Inputs of a step must divide the 16 channels of a region of signed-binary/16, not be 32"),
])
def test_wrong_spec_is_refused(options, error, text):
    with pytest.raises(error) as info:
        LaneSpec(**{"format": parse("2hot"), "inputs": 2} | options)
    assert str(info.value) == text


@pytest.mark.parametrize(("x", "w", "text"), [
    ([[1, 2]], [[1, 2, 3]], r"Weights must have the shape \(K, 2\), not \(1, 3\)"),
    ([[1, 2], [3, 4]], [[1, 2]], r"Weights must have the shape \(2, 2\), not \(1, 2\)"),
    ([[1, 128]], [[1, 2]], "Activations must be -128 to 127, not 1 to 128"),
    ([[1, 2]], [[1, 11]], "must be a level of 2hot, not 11"),
    ([[127, 127]] * 5, [[127, 127]] * 5, "Sum must fit 17 signed bits, not be 161280"),
])
def test_wrong_operands_are_refused(x, w, text):
    with pytest.raises(NhotError, match=text):
        spec_of("2hot", 2, accumulator_bits=17).compute(x, w)


def test_operands_must_be_integers():
    with pytest.raises(TypeError, match="Activations must be integers, not float64"):
        spec_of("2hot", 1).compute([[0.5]], [[1]])


def test_empty_sum_is_zero():
    empty = np.empty((0, 2), dtype=np.int64)
    assert spec_of("2hot", 2).compute(empty, empty) == 0


@pytest.mark.parametrize("name", ["apot3", "apot4"])
def test_formats_without_a_lane_are_refused(name):
    with pytest.raises(NhotError, match=f"Format must be one that a lane exists for, not {name}"):
        spec_of(name, 4)
