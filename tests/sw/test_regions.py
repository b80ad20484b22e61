"""Signed-binary with regions, from the network to the image: one sign a step, or a refusal."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhot.compiler import EngineConfig, Image, Machine, compile_network
from nhot.compiler.fit import fit
from nhot.compiler.image import ImageError
from nhot.compiler.pack import hardware_bias, inverted
from nhot.compiler.parts import lower
from nhot.compiler.widths import layer_widths
from nhot.contract.codes import pack_codes, unpack_codes
from nhot.errors import NhotError
from nhot.formats import parse
from nhot.network import Conv2d, Linear, Network, Requant, Tensor, Window
from nhot.network.reference import run
from nhot.testing.engine_networks import sample_network
from nhot.testing.networks import random_input, random_network, random_weights

CONFIG = EngineConfig(format="signed-binary/8", filters=4, inputs=4, weight_words=4096)


def network_of(weights, *, name="signed-binary/8", groups=1, signed=False):
    """One 1x1 convolution of ``weights`` (filters, channels / groups), over 2 x 3 positions."""
    filters, channels = weights.shape[0], weights.shape[1] * groups
    node = Conv2d(
        inputs=("x",), output=Tensor(name="y", shape=(2, 3, filters), signed=True),
        weights=weights.reshape(filters, 1, 1, -1), bias=np.arange(filters) - 3,
        format=parse(name), window=Window(kernel=(1, 1)), groups=groups,
        requant=Requant.from_scale([2.0**-3] * filters, zero_point=0, low=-128, high=127),
    )
    x = Tensor(name="x", shape=(2, 3, channels), signed=signed)
    return Network(name="one", input=x, nodes=(node,))


def check(network, config):
    """The image gives the numbers of the reference."""
    image = Image.from_bytes(compile_network(network, config).to_bytes())
    machine, inputs = Machine(image), random_input(network.input, 3, 1)
    wanted = run(network, inputs, trace=True)
    for index, x in enumerate(inputs):
        for name, got in machine.run(x).items():
            np.testing.assert_array_equal(got, wanted[name][index], err_msg=name)


def regions(*signs, size):
    """Filters of ones, with these signs for regions of ``size`` channels."""
    return np.array([np.repeat(row, size) for row in signs])


@pytest.mark.parametrize("channels", [1, 3, 4, 5, 8, 9, 15, 16, 17, 29])
@pytest.mark.parametrize("inputs", [1, 2, 4, 8])
def test_channels_need_not_fill_regions_or_steps(channels, inputs):
    weights = random_weights(np.random.default_rng(channels), CONFIG.weight_format, (5, channels))
    check(network_of(weights), replace(CONFIG, filters=8, inputs=inputs))


@given(
    tile=st.sampled_from([4, 6, 12]), inputs=st.sampled_from([1, 2, 3, 4, 6]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_network_of_regions(tile, inputs, seed):
    name = f"signed-binary/{tile}"
    network = random_network(
        seed, layers=2, shape=(4, 5, 9), formats=(parse(name),), widest=13,
        operators=("conv", "linear", "depthwise"),
    )
    sizes = {"filters": inputs, "inputs": inputs, "weight_words": 65536, "pixels": 2}
    if tile % inputs:
        with pytest.raises(NhotError, match=f"must divide the {tile} channels of a region of"):
            EngineConfig(format=name, **sizes)
    else:
        config = EngineConfig(format=name, **sizes, activation_words=4096, requant_words=1024)
        check(network, config)


def test_a_dense_layer_has_the_regions_of_its_input():
    """Six channels at each place: the eight flat features of the first two have both signs."""
    signs = np.array([1] * 4 + [-1] * 2)
    x = Tensor(name="x", shape=(2, 2, 6), zero_point=7)
    node = Linear(
        inputs=("x",), output=Tensor(name="y", shape=(1, 1, 2), signed=True),
        weights=np.array([np.tile(signs, 4), np.tile(-signs, 4)]), bias=np.array([5, -6]),
        format=parse("signed-binary/4"),
        requant=Requant.from_scale([2.0**-4] * 2, zero_point=0, low=-128, high=127),
    )
    config = replace(CONFIG, format="signed-binary/4")
    check(Network(name="dense", input=x, nodes=(node,)), config)
    mixed = replace(node, weights=np.array([np.tile(signs, 4), np.tile([1, -1, 0, 0, 1, 1], 4)]))
    message = "Layer 'y': Channels 0 to 3 of filter 1 must have one sign in signed-binary/4"
    with pytest.raises(NhotError, match=message):
        Network(name="dense", input=x, nodes=(mixed,))


def test_a_region_of_both_signs_is_no_network():
    weights = regions([1, -1], [1, 1], size=4)
    with pytest.raises(NhotError, match="Layer 'y': Channels 0 to 7 of filter 0 must have one"):
        network_of(weights)
    network_of(weights, name="signed-binary/4")


@pytest.mark.parametrize(("name", "weights"), [
    ("signed-binary", regions([1, 1], [-1, -1], size=6)),
    ("signed-binary/4", regions([1, -1, 1], [-1, 1, 1], size=4)),
    ("signed-binary/16", regions([1, -1], [-1, 1], size=16)),
    ("ternary", regions([1, -1, 0], [-1, 0, 1], size=4)),
    ("2hot", regions([0, -1, 1], [1, 1, 1], size=4)),
])
def test_what_has_one_sign_a_step_runs(name, weights):
    check(network_of(weights, name=name), CONFIG)


def test_a_step_of_both_signs_is_refused_by_its_layer():
    weights = regions([1, 1], [1, -1], size=6)
    network = network_of(weights, name="ternary")
    text = (r"Layer 'y': Weights of a step must have one sign in signed-binary/8, not both as at "
            r"index \(1, 0, 0, 1\)")  # filter, y, x, word
    with pytest.raises(NhotError, match=text):
        compile_network(network, CONFIG)
    with pytest.raises(NhotError, match=r"Layer 'y': Weight at index .* level of signed-binary/8"):
        compile_network(network_of(2 * weights, name="2hot"), CONFIG)


@pytest.mark.parametrize(("channels", "inputs", "fits"), [
    (12, 4, True), (12, 8, False), (10, 2, True), (10, 4, False), (8, 8, True), (6, 4, True),
])
def test_a_group_that_begins_within_a_step(channels, inputs, fits):
    """Regions of 8 begin anew with each of three groups; steps count the channels of all."""
    signs = np.where(np.arange(channels) < 8, 1, -1)
    network = network_of(np.tile(signs, (3, 1)), groups=3)
    config = replace(CONFIG, filters=inputs, inputs=inputs)
    if fits:
        check(network, config)
    else:
        with pytest.raises(NhotError, match="Layer 'y': Weights of a step must have one sign"):
            compile_network(network, config)


@pytest.mark.parametrize(("name", "weights", "found"), [
    ("signed-binary/8", regions([1, -1], size=8), "signed-binary/8"),
    ("signed-binary", regions([1, 1], [-1, -1], size=8), "signed-binary/8"),
    ("ternary", regions([1, -1, 1], size=6), "ternary"),
])
def test_fit_keeps_the_format_if_it_can(name, weights, found):
    network = network_of(weights, name=name)
    fitted = fit(network, CONFIG)
    assert fitted.format == found
    check(network, fitted)


def test_fit_finds_regions_where_the_engine_has_another_format():
    network = network_of(regions([1, -1], size=8))
    assert fit(network, replace(CONFIG, format="signed-binary")).format == "signed-binary/8"
    # Steps of 3 channels may lie in two regions of 8, so that no such lane is tried.
    odd = EngineConfig(format="signed-binary", inputs=3, filters=3)
    assert fit(network, odd).format == "ternary"


def test_sums_are_counted_with_what_the_lanes_leave_out():
    """128 times 128 would need 16 bits; less a one for each of 32 steps, and with the bias, 15."""
    network = network_of(regions([-1] * 16, size=8), signed=True)
    (layer,) = lower(network, CONFIG)
    assert inverted(layer, CONFIG).tolist() == [32]
    assert hardware_bias(layer, CONFIG).tolist() == [32 - 3]
    assert layer_widths(layer, CONFIG).accumulator == 15
    check(network, replace(CONFIG, accumulator_bits=15))
    with pytest.raises(NhotError, match="must have at least 15 bits for layer 'y', not 14"):
        compile_network(network, replace(CONFIG, accumulator_bits=14))


def test_a_word_is_gates_and_a_sign_for_each_filter():
    weights = np.array([[1, 0, 1, 1], [0, -1, -1, 0], [0, 0, 0, 0], [-1, 0, 0, 0]])
    image = compile_network(network_of(weights), CONFIG)
    assert image.weights == (0b10001_00000_10110_01101).to_bytes(3, "little")
    assert image.weight_levels().tolist() == [weights.tolist()]
    assert image.weight_fields().tolist() == [
        [[1, 0, 1, 1, 0], [0, 1, 1, 0, 1], [0, 0, 0, 0, 0], [1, 0, 0, 0, 1]]
    ]


def test_a_minus_of_nothing_is_no_image():
    """The same weights have one image; and the lanes would leave out a one too many."""
    image = compile_network(sample_network("signed-binary/8"), CONFIG)
    codes = unpack_codes(image.weights, 1, CONFIG.word_codes)
    gates = codes.reshape(len(codes), CONFIG.filters, -1)[:, :, :-1]
    word, lane = np.argwhere(~gates.any(axis=2))[0]
    codes[word, lane * 5 + 4] = 1
    message = (rf"Image weights: Sign of signed-binary/8 at index \({word}, {lane}\) must be 0 for "
               "weights of 0")
    with pytest.raises(ImageError, match=message):
        replace(image, weights=pack_codes(codes, 1))
