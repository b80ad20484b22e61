"""Widths and counts of a layer: accepted at the limit, refused beyond it.

What a width must be is found here from sums that real inputs reach, in Python's integers.
"""

from dataclasses import replace

import numpy as np
import pytest

from nhot.compiler import EngineConfig, Machine, compile_network
from nhot.compiler.fit import fit
from nhot.compiler.pack import hardware_bias, inverted
from nhot.compiler.parts import lower
from nhot.errors import NhotError
from nhot.formats import parse
from nhot.network import (
    Add,
    ArgMax,
    AvgPool,
    Clamp,
    Conv2d,
    Linear,
    Network,
    Requant,
    Tensor,
    Window,
)
from nhot.network.reference import run
from nhot.network.requant import SHIFT
from nhot.testing.networks import random_network, random_weights
from nhot.testing.one_layer import ROOMY, byte, dense, network, refused, window_layer

FORMATS = (
    "1hot", "2hot", "3hot", "ternary", "signed-binary", "signed-binary/8", "int8", "int4", "2hot@5",
)


def bits_of(*values):
    """Of a two's complement number that holds them all."""
    return max((v if v >= 0 else ~v).bit_length() for v in values) + 1


def accepted_at(made, size, least, text):
    """Compiles with a size of ``least``, and not with one less."""
    compile_network(made, replace(ROOMY, format=made.nodes[0].format.name, **{size: least}))
    refused(made, replace(ROOMY, format=made.nodes[0].format.name, **{size: least - 1}), text)


def reached(made, config):
    """Sums and products at their ends, from the inputs that reach them, as the engine has them."""
    (node,) = made.nodes
    (layer,) = lower(made, config)
    low, high = made.input.low, made.input.high
    sums, products = [], []
    missing, bias = inverted(layer, config), hardware_bias(layer, config)
    shift = -128 if high > 127 else 0
    levels = layer.levels.reshape(node.filters, -1)
    for ends in ((low, high), (high, low)):
        for filter_, weights in enumerate(levels):
            x = [ends[weight > 0] + shift for weight in weights.tolist()]
            total = sum(w * value for w, value in zip(weights.tolist(), x, strict=True))
            total -= int(missing[filter_])
            final = total + int(bias[filter_])
            sums += [total, final]
            product = final * int(layer.requant.multiplier[filter_])
            products.append(product + (layer.requant.zero_point << SHIFT) + (1 << (SHIFT - 1)))
    return sums, products


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("seed", range(6))
def test_sums_and_products_are_held_to_the_bit(name, seed):
    """Dense layers of any bias and scale; the ends of inputs and weights; narrow inputs, too."""
    rng = np.random.default_rng([seed, FORMATS.index(name)])
    fmt = parse(name)
    source = byte("x", (1, 1, int(rng.integers(4, 40))), signed=seed % 2 == 0,
                  bits=8 if seed < 4 else 4)
    filters = int(rng.integers(1, 4))
    weights = random_weights(rng, fmt, (filters, source.size))
    if seed % 3 == 0:
        weights = np.repeat(weights[:, :1], source.size, axis=1)  # all alike
    reach = 128 * int(np.abs(weights).sum(axis=1).max())
    bias = rng.integers(-reach, reach + 1, filters) * (seed % 3)
    made = dense(source, weights, bias, rng.uniform(0.001, 8, filters), fmt)
    sums, products = reached(made, replace(ROOMY, format=name))
    width = max(bits_of(*sums), 12)
    if width > 12:
        accepted_at(made, "accumulator_bits", width, f"Accumulator .* {width} bits for layer 'y'")
    compile_network(made, replace(ROOMY, format=name, accumulator_bits=width))
    width = max(bits_of(*products), 32)
    if width > 32:
        accepted_at(made, "product_bits", width, f"Product .* {width} bits for layer 'y'")
    compile_network(made, replace(ROOMY, format=name, product_bits=width))


def test_the_half_that_rounds_is_part_of_a_product():
    """2047 * 2^23 has 34 bits and a sign; half a unit, which is 2^23, makes it 2^34."""
    made = dense(byte("x", (1, 1, 1), signed=True), np.array([[1]]), np.array([2047 - 127]), 0.5,
                 parse("2hot"), zero_point=128)
    accepted_at(made, "product_bits", 36, "Product .* 36 bits for layer 'y'")


def test_the_negative_end_of_an_input_is_one_further_than_the_positive():
    """Sixteen weights of 1 and inputs of -128 make -2048, which has 12 bits; of 128 it had not."""
    fmt = parse("int8")
    ones = np.ones((1, 16), np.int64)
    source = byte("x", (1, 1, 16), signed=True)
    config = replace(ROOMY, format="int8", accumulator_bits=12)
    compile_network(dense(source, ones, np.zeros(1, np.int64), 1, fmt), config)
    refused(dense(source, -ones, np.zeros(1, np.int64), 1, fmt), config,
            "Accumulator of the engine must have at least 13 bits for layer 'y', not 12")
    refused(dense(source, ones, -np.ones(1, np.int64), 1, fmt), config, "at least 13 bits")


@pytest.mark.parametrize(("taps", "fits"), [(16, True), (17, False)])
def test_the_sum_of_a_pool_fits_its_window(taps, fits):
    """Twelve bits hold sixteen bytes: where the memory is small, and where accumulators are."""
    source = byte("x", (1, 4, 1), signed=True)
    window = Window(kernel=(1, taps), padding=(0, 0, 0, taps - 4))
    made = window_layer(source, window, AvgPool)
    for config in (replace(ROOMY, activation_words=16), replace(ROOMY, accumulator_bits=12)):
        assert config.window_bits == 12
        if fits:
            compile_network(made, config)
        else:
            refused(made, config, ".* of the engine must have at least 13 bits .* not 12")


def test_the_sum_of_a_pool_has_at_most_twenty_bits():
    source = byte("x", (4, 4, 1), signed=True)
    fits = Window(kernel=(64, 64), padding=(60, 60, 0, 0))
    compile_network(window_layer(source, fits, AvgPool), ROOMY)
    wide = Window(kernel=(64, 65), padding=(60, 61, 0, 0))
    refused(window_layer(source, wide, AvgPool), ROOMY, "Window sum .* at least 21 bits .* not 20")
    with pytest.raises(NhotError, match="Window sum"):
        fit(window_layer(source, wide, AvgPool), ROOMY)


def test_an_operator_that_the_engine_lacks():
    made = random_network(1, layers=2, operators=("round",))
    with pytest.raises(NhotError) as caught:
        lower(made, EngineConfig())
    assert str(caught.value) == "; ".join(
        f"Layer {node.name!r}: Engine activation_terms must be at least {node.n} for RoundTerms, "
        "not 0" for node in made.nodes
    )


@pytest.mark.parametrize("values", [np.zeros((1, 1, 2)), np.zeros((1, 1, 2), bool)])
def test_inputs_of_a_machine_are_integers(values):
    made = dense(byte("x", (1, 1, 2)), np.ones((1, 2), int), [0], 0.5, parse("2hot"))
    with pytest.raises(NhotError, match=f"Input 'x' must hold integers, not {values.dtype}"):
        Machine(compile_network(made, ROOMY)).run(values)


def test_an_addition_needs_room_for_two_operands():
    """They lie side by side in one sum: in fewer than 16 bits the second would be cut."""
    requant = Requant.from_scale([0.5, 0.5], zero_point=0, low=0, high=255)
    made = network(byte("x", (1, 1, 4)), Add(
        inputs=("x", "x"), output=byte("y", (1, 1, 4)), requant=requant
    ))
    compile_network(made, replace(ROOMY, accumulator_bits=16))
    refused(made, replace(ROOMY, accumulator_bits=15),
            "Accumulator of the engine must have at least 16 bits for layer 'y', not 15")


@pytest.mark.parametrize(("filters", "fits"), [(1024, True), (1025, False)])
def test_tiles_are_counted_to_the_last(filters, fits):
    made = window_layer(byte("x", (1, 1, 1)), Window(kernel=(1, 1)), filters=filters)
    config = replace(ROOMY, filters=4, inputs=16, requantisers=1, activation_words=128)
    if fits:
        compile_network(made, config)
    else:
        text = "Tiles of filters or channels of layer 'y' must be at most 256 on this engine"
        refused(made, config, text)


@pytest.mark.parametrize(("channels", "fits"), [(65535, True), (65536, False)])
def test_channels_of_an_argmax(channels, fits):
    output = Tensor(name="y", shape=(1, 1, 1), bits=16)
    made = network(byte("x", (1, 1, channels)), ArgMax(inputs=("x",), output=output))
    config = replace(ROOMY, inputs=64, filters=1)
    if not fits:
        refused(made, config, "Input channels of layer 'y' must be at most 65535, not 65536")
        return
    machine = Machine(compile_network(made, config))
    for index in (0, 32767, 32768, 65534):
        x = np.zeros((1, 1, channels), np.int64)
        x[0, 0, index:] = 7
        assert machine.run(x)["y"].item() == index


def test_channels_that_no_field_counts_are_no_limit():
    """More channels than 16 bits, on layers that count words of them."""
    requant = Requant.from_scale([0.5, 0.5], zero_point=0, low=0, high=255)
    shape = (1, 1, 70_000)
    made = network(byte("x", shape), Add(inputs=("x", "x"), output=byte("y", shape),
                                         requant=requant))
    config = replace(ROOMY, inputs=64, filters=1)
    x = np.random.default_rng(0).integers(0, 256, (1, *shape))
    assert np.array_equal(Machine(compile_network(made, config)).run(x[0])["y"], run(made, x)[0])


def test_a_grouped_layer_too_large_as_a_dense_one_is_not_formed():
    channels = 20_000
    source = byte("x", (1, 1, channels))
    made = network(source, Conv2d(
        inputs=("x",), output=byte("y", source.shape), window=Window(kernel=(1, 1)),
        weights=np.ones((channels, 1, 1, 1), np.int64), bias=np.zeros(channels, np.int64),
        format=parse("2hot"), groups=channels,
        requant=Requant.from_scale([0.5] * channels, zero_point=0, low=0, high=255),
    ))
    config = replace(ROOMY, filters=2)  # two tiles read each word, which no constant distance does
    with pytest.raises(NhotError, match=r"Layer 'y': Weights of a grouped conv.* not 400000000"):
        lower(made, config, divide=False)
    refused(made, config, "Program memory must have at least 23352 words for this network, not")


def test_everything_beyond_is_said_at_once():
    window = Window(kernel=(1, 1), stride=(300, 1), padding=(0, 256, 256, 0))
    first = window_layer(byte("x", (400, 1, 4)), window, filters=20).nodes[0]
    second = Linear(
        inputs=("y",), output=byte("z", (1, 1, 5)), format=parse("int8"),
        weights=np.full((5, first.output.size), 126, np.int64), bias=np.zeros(5, np.int64),
        requant=Requant.from_scale([1] * 5, zero_point=0, low=0, high=255),
    )
    third = Linear(
        inputs=("z",), output=byte("w", (1, 1, 5)), format=parse("2hot"),
        weights=np.full((5, 5), 127, np.int64), bias=np.zeros(5, np.int64),
        requant=Requant.from_scale([1] * 5, zero_point=0, low=0, high=255),
    )
    made = network(byte("x", (400, 1, 4)), first, second, third)
    with pytest.raises(NhotError) as caught:
        compile_network(made, EngineConfig(
            format="1hot", activation_words=16, requant_words=16, program_words=32,
        ))
    said = str(caught.value).split("; ")
    assert [text.split(" must")[0] for text in said] == [
        "Layer 'z': Weight at index (0, 0, 0, 0)", "Layer 'w': Weight at index (0, 0, 0, 0)",
        "Vertical stride of layer 'y'", "Left padding of layer 'y'",
        "Activation memory", "Requant memory",
    ]


@pytest.mark.parametrize("seed", range(20))
def test_an_output_anywhere_outlives_the_run(seed):
    """Whichever layer's tensor is the network's output, nothing after it overwrites it."""
    made = random_network(seed, layers=7)
    for output in made.nodes[:-1]:
        chosen = replace(made, output_name=output.name)
        image = compile_network(chosen, ROOMY)
        machine = Machine(image)
        x = np.random.default_rng(seed).integers(
            made.input.low, made.input.high + 1, (1, *made.input.shape))
        machine.run(x[0])
        got = machine._load(image.meta.output)
        np.testing.assert_array_equal(got, run(chosen, x)[0], err_msg=output.name)


def test_a_clamp_is_not_fused_into_the_output_or_what_others_read():
    """Of a layer that is the network's output, or has another reader, the numbers stay."""
    source = byte("x", (1, 1, 4))
    first = dense(source, np.full((4, 4), 32), np.zeros(4, np.int64), 0.01, parse("1hot")).nodes[0]
    clamp = Clamp(inputs=("y",), output=byte("clamped", (1, 1, 4)), low=5, high=9)
    other = Add(inputs=("y", "clamped"), output=byte("sum", (1, 1, 4)), requant=Requant.from_scale(
        [0.5, 0.5], zero_point=0, low=0, high=255))
    x = np.array([[[[0, 255, 3, 90]]]])
    for made in (
        Network(name="output", input=source, nodes=(first, clamp), output_name="y"),
        network(source, first, clamp, other), network(source, first, clamp),
    ):
        wanted = run(made, x, trace=True)
        for name, got in Machine(compile_network(made, ROOMY)).run(x[0]).items():
            assert np.array_equal(got, wanted[name][0]), (made.name, name)
