"""Residual additions by the lanes: when, for how many cycles, and that nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.additions import common_factor
from nhot.compiler.differences import check_contents
from nhot.compiler.machine import Machine
from nhot.compiler.parts import lower
from nhot.compiler.schedule import NOWHERE, descriptor
from nhot.contract.cycles import layer_cycles
from nhot.contract.program import Operation
from nhot.errors import MismatchError
from nhot.formats import parse
from nhot.formats.terms import naf_weight
from nhot.network.reference import run
from nhot.testing.networks import random_input
from nhot.testing.residual import additions, residual

UNIT = 1 << 24
WIDE = EngineConfig(
    pixels=2, requantisers=4, accumulator_bits=32, product_bits=64, activation_words=512,
    weight_words=512, requant_words=512,
)
ENGINES = {
    "square": WIDE, "three": replace(WIDE, pixels=3),
    "wide": replace(WIDE, filters=8), "narrow": replace(WIDE, filters=2, requantisers=2),
    "one": replace(WIDE, pixels=1),
}
OPERAND = st.sampled_from([s * level for level in parse("2hot").levels for s in (1, 3, 256)])


def check(network, config, operation):
    """The image has one addition, of that operation, and gives what the reference does."""
    image = compile_network(network, config)
    (step,) = additions(image)
    assert step.operation is operation
    check_contents(network, image)
    wanted = run(network, random_input(network.input, 3, 0), trace=True)
    for i, x in enumerate(random_input(network.input, 3, 0)):
        for name, got in Machine(image).run(x).items():
            np.testing.assert_array_equal(got, wanted[name][i], err_msg=name)
    return image, step


@pytest.mark.parametrize("engine", ["square", "three", "wide"])
@pytest.mark.parametrize(("multipliers", "shape", "twice"), [
    ((UNIT, UNIT), (5, 4, 6), False), ((UNIT // 4, UNIT), (5, 5, 4), False),
    ((-UNIT, 5 * UNIT // 8), (1, 1, 13), False), ((UNIT // 2, UNIT // 8), (3, 3, 7), True),
])
def test_lanes_add_what_has_a_common_factor(engine, multipliers, shape, twice):
    network = residual(multipliers, shape, twice=twice)
    config = ENGINES[engine]
    _, step = check(network, config, Operation.ARRAY)
    other = descriptor(lower(network, config, on_lanes=False)[-1], config, NOWHERE)
    assert other.operation is Operation.ADD
    assert layer_cycles(step, config) < layer_cycles(other, config)


def test_without_room_for_its_weights_the_window_unit_adds():
    network = residual((UNIT, UNIT), (3, 3, 16))
    image, _ = check(network, WIDE, Operation.ARRAY)
    words = len(image.weight_levels())
    check(network, replace(WIDE, weight_words=words), Operation.ARRAY)
    check(network, replace(WIDE, weight_words=words - 1), Operation.ADD)


@pytest.mark.parametrize(("multipliers", "fmt", "engine"), [
    ((UNIT, UNIT + 2), "2hot", "square"),  # nothing in common that leaves levels
    ((UNIT, UNIT // 1024), "2hot", "square"),  # too far apart
    ((UNIT, UNIT // 2), "ternary", "square"),  # whose levels are too few
    ((UNIT, UNIT), "binary", "square"),  # which has no zero for the other channels
    ((UNIT, UNIT), "2hot", "one"),  # not faster, with one pixel at a time
    ((UNIT, UNIT), "2hot", "narrow"),  # nor where filters share a word
    ((0, UNIT), "2hot", "square"),
])
def test_the_window_unit_adds_all_else(multipliers, fmt, engine):
    config = replace(ENGINES[engine], format=fmt)
    check(residual(multipliers, (3, 4, 8), fmt=fmt), config, Operation.ADD)


@given(OPERAND, OPERAND)
def test_a_common_factor_is_one(a, b):
    fmt = parse("2hot")
    found = common_factor(np.array([a, b]), fmt)
    if not a or not b:
        assert found is None
        return
    factors = [f for f in range(-max(abs(a), abs(b)), max(abs(a), abs(b)) + 1) if f
               and a % f == b % f == 0 and fmt.contains([a // f, b // f]).all()]
    fewest = min((naf_weight(f) for f in factors), default=9)
    if found is None:
        assert fewest > 4
    else:
        weights, factor = found
        assert (weights * factor).tolist() == [a, b]
        assert fmt.contains(weights).all()
        assert naf_weight(factor) == fewest


def test_a_weight_of_an_operand_that_is_wrong_is_named():
    network = residual((UNIT, UNIT // 2))
    image, _ = check(network, WIDE, Operation.ARRAY)
    other = compile_network(residual((UNIT // 2, UNIT)), WIDE)
    place = "of layer 'y' at operand 0, channel 0 must be 2, not 1"
    with pytest.raises(MismatchError, match=place):
        check_contents(network, replace(image, weights=other.weights))
