"""What the engine runs in several passes, or in none of its own: who writes what, and the numbers.
"""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from nhot.compiler import compile_network
from nhot.compiler.differences import check_contents
from nhot.compiler.parts import lower
from nhot.compiler.phases import phases
from nhot.contract.program import unpack_program
from nhot.errors import MismatchError
from nhot.formats import parse
from nhot.network import ConvTranspose2d, Upsample, Window
from nhot.testing.networks import random_network, random_weights
from nhot.testing.walked import (
    CONFIG,
    FORMAT,
    ONE,
    X,
    check,
    concat,
    conv,
    network,
    operators,
    requant,
    tensor,
)


@pytest.mark.parametrize("seed", range(60))
def test_any_network_on_any_engine(seed):
    """T, P and S that divide one another in any way, R of one and of all, lanes of both kinds."""
    rng = np.random.default_rng(seed)
    arrays = [(1, 1), (1, 2), (2, 2), (2, 4), (4, 2), (4, 4), (8, 4), (4, 8), (3, 6), (6, 3),
              (9, 9)]
    filters, inputs = arrays[rng.integers(len(arrays))]
    fmt = str(rng.choice(["2hot", "1hot", "ternary", "signed-binary", "int8", "3hot"]))
    serial = fmt.endswith("1hot") and rng.random() < 0.5
    config = replace(
        CONFIG, pixels=int(rng.integers(1, 5)), filters=filters, inputs=inputs, format=fmt,
        requantisers=int(rng.choice([1, np.gcd(filters, inputs)])),
        lane="serial" if serial else "parallel", depthwise=filters == inputs == 9 and not serial,
    )
    made = random_network(
        seed, layers=int(rng.integers(2, 7)), shape=tuple(rng.integers(1, 7, 3).tolist()),
        formats=(parse(fmt),), bits=(8, 8, 5), widest=int(rng.choice([4, 9, 20])),
        operators=("conv", "depthwise", "max", "average", "add", "clamp", "linear",
                   *("transposed", "concat", "upsample") * 3),
        argmax=inputs > 1 and rng.random() < 0.3,
    )
    check(made, config)


@pytest.mark.parametrize("factors", [(1, 1), (2, 2), (3, 1), (1, 3)])
@pytest.mark.parametrize("inputs", [2, 4])
def test_upsampling_copies_its_input_once_for_each_of_its_pixels(factors, inputs):
    config = replace(CONFIG, inputs=inputs, requantisers=2)
    shape = (4 * factors[0], 5 * factors[1], 3)
    node = Upsample(inputs=("x",), output=replace(X, name="y", shape=shape), factors=factors)
    layers = check(network(node), config)
    assert operators(layers) == ["Upsample"] * (factors[0] * factors[1])
    words = 4 * 5 * -(-3 // inputs)
    copy = words * inputs // config.requantisers  # cycles, of R bytes each
    assert all(copy <= layer.cycles < copy + 40 for layer in layers)


@pytest.mark.parametrize(("fmt", "copies"), [("signed-binary/4", 1), ("signed-binary", 0)])
def test_lanes_of_one_sign_a_step_read_no_regions_across_a_hole(fmt, copies):
    """Three channels and five are words of 3 and 4 and 1; regions of four begin elsewhere."""
    config = replace(CONFIG, filters=4, inputs=4, format=fmt)
    parts = [
        replace(conv(f"p{count}", X, count), format=parse(fmt), weights=np.ones(
            (count, 1, 1, 3), np.int64))
        for count in (3, 5)
    ]
    both = concat("both", [part.output for part in parts])
    weights = np.ones((6, 1, 1, 8), np.int64)
    if copies:
        weights[..., 4:] = -1  # channels 3 and 4 are in one word behind the hole
    last = replace(conv("last", both.output, 6), format=parse(fmt), weights=weights)
    layers = check(network(*parts, both, last), config)
    assert operators(layers) == ["Conv2d"] * (3 + copies)


def transposed(kernel, stride, dilation=(1, 1), padding=(0, 0, 0, 0), extra=(0, 0), groups=1):
    rng = np.random.default_rng(3)
    window = Window(kernel=kernel, stride=stride, dilation=dilation, padding=padding)
    output = tensor("y", (*window.transposed_size(4, 5, extra), 6))
    weights = random_weights(rng, FORMAT, (6, *kernel, 3 // groups))
    return ConvTranspose2d(
        inputs=("x",), output=output, weights=weights, format=FORMAT, window=window, groups=groups,
        bias=rng.integers(-500, 500, 6), output_padding=extra,
        requant=requant(output, [ONE // 64, -ONE // 64] * 3),
    )


@pytest.mark.parametrize(("node", "count"), [
    (transposed((3, 3), (1, 1), padding=(1, 1, 1, 1)), 1),
    (transposed((4, 4), (2, 2), padding=(1, 1, 1, 1)), 4),
    (transposed((3, 2), (2, 3), extra=(1, 2)), 6),
    (transposed((1, 1), (2, 2)), 4),  # three phases without a tap
    (transposed((1, 3), (2, 1), padding=(0, 1, 0, 1)), 2),
    (transposed((2, 2), (2, 2), padding=(1, 1, 1, 1)), 4),  # a phase that begins within the input
    (transposed((3, 3), (2, 2), padding=(5, 3, 0, 1)), 4),
    (transposed((3, 3), (2, 2), dilation=(2, 3), padding=(1, 2, 1, 2)), 4),
    (transposed((3, 3), (4, 3), dilation=(2, 2)), 12),
    (transposed((2, 2), (2, 2), groups=3), 4),
    (transposed((3, 3), (9, 9), padding=(0, 0, 0, 40), extra=(8, 8)), 81 - 9 * 2),
])
@pytest.mark.parametrize("pixels", [1, 3])
def test_a_transposed_convolution_is_one_for_each_phase(node, count, pixels):
    made = network(node)
    layers = check(made, replace(CONFIG, pixels=pixels))
    parts = Counter(operators(layers))
    height, width, _ = node.output.shape
    assert len(list(phases(height, width, node.window.stride))) == count
    assert parts["ConvTranspose2d"] >= count  # groups may go in parts
    assert sum(layer.weights for layer in layers) == node.weights.size
    assert sum(layer.macs for layer in layers) == node.macs(X)


def test_a_damaged_weight_of_a_phase_is_named_by_its_place_in_the_kernel():
    node = transposed((4, 4), (2, 2), padding=(1, 1, 1, 1))
    made = network(node)
    image = compile_network(made, CONFIG)
    levels = image.weight_levels()
    # Word 0 of phase (0, 0): its first tap is the last that meets the phase, row 3 and column 3.
    weights = node.weights.copy()
    weights[1, 3, 3, 2] = -1 if weights[1, 3, 3, 2] == 1 else 1
    other = network(replace(node, weights=weights))
    assert (compile_network(other, CONFIG).weight_levels() != levels).sum() == 1
    with pytest.raises(MismatchError, match="at filter 1, y 3, x 3, channel 2 must be"):
        check_contents(other, replace(image, requant=compile_network(other, CONFIG).requant))


def test_images_without_joins_are_as_before():
    """No pieces, no rows of their own: what an older compiler said is what this one says."""
    image = compile_network(network(conv("y", X, 5, kernel=3)), CONFIG)
    assert b"pieces" not in image.to_bytes()
    assert [step.row_words for step in unpack_program(image.program)] == [0, 0]


def test_layers_of_a_network_that_shares_a_tensor_hold_it_once():
    a, b = conv("a", X, 4), conv("b", X, 4)
    layers = lower(network(a, b, concat("y", [a.output, b.output])), CONFIG)
    assert {layer.output.name for layer in layers} == {"y"}
    assert [layer.walk.start for layer in layers] == [0, 4]
