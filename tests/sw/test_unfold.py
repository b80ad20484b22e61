"""Inputs that are laid out by windows, and layers in one row: the same numbers in fewer cycles."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhot.compiler import EngineConfig, Image, Machine, compile_network
from nhot.compiler.differences import check_contents
from nhot.compiler.fit import fit
from nhot.compiler.image import ImageError
from nhot.compiler.layout import Placement
from nhot.compiler.source import input_layout
from nhot.compiler.unfold import layouts, rest, unfold, unfold_weights, unfolded
from nhot.contract.program import unpack_program
from nhot.errors import MismatchError, NhotError
from nhot.formats import parse
from nhot.network import Conv2d, Linear, MaxPool, Network, Requant, Tensor, Window
from nhot.network.reference import run, window_sums
from nhot.testing.networks import random_input, random_weights
from nhot.testing.strategies import activations, tensors, windows

ROOMY = EngineConfig(
    filters=8, inputs=16, accumulator_bits=32, product_bits=64, activation_words=8192,
    weight_words=4096, requant_words=4096, program_words=1024,
)
THREE = Window(kernel=(3, 3), padding=(1, 1, 1, 1))


def convolution(source, window, *, name="y", filters=8, fmt="2hot", seed=0):
    rng, fmt = np.random.default_rng(seed), parse(fmt)
    height, width = window.output_size(*source.shape[:2])
    return Conv2d(
        inputs=(source.name,), output=Tensor(name=name, shape=(height, width, filters)),
        weights=random_weights(rng, fmt, (filters, *window.kernel, source.shape[2])), format=fmt,
        bias=rng.integers(-99, 99, filters), window=window,
        requant=Requant.from_scale(rng.uniform(1e-4, 1e-3, filters), zero_point=0, low=0, high=255),
    )


def dense(source, filters=5):
    rng, fmt = np.random.default_rng(1), parse("2hot")
    return Linear(
        inputs=(source.name,), output=Tensor(name="dense", shape=(1, 1, filters)), format=fmt,
        weights=random_weights(rng, fmt, (filters, source.size)), bias=np.arange(filters),
        requant=Requant.from_scale([1e-3] * filters, zero_point=0, low=0, high=255),
    )


def network(source, *nodes, **fields):
    return Network(name="input", input=source, nodes=nodes, **fields)


def check(made, config):
    """The image that is read back gives every number of the reference; it is returned."""
    image = Image.from_bytes(compile_network(made, config).to_bytes())
    inputs = random_input(made.input, 4, 0)
    wanted, machine = run(made, inputs, trace=True), Machine(image)
    for index, x in enumerate(inputs):
        for name, got in machine.run(x).items():
            np.testing.assert_array_equal(got, wanted[name][index], err_msg=name)
    check_contents(made, image)
    return image


X = Tensor(name="x", shape=(7, 9, 3), zero_point=77)


@given(data=st.data(), shape=st.tuples(*[st.integers(1, 6)] * 3))
def test_every_layout_leaves_the_sums(data, shape):
    """The rest of a convolution over what was unfolded, its padding, strides and dilation."""
    x = data.draw(tensors(shape=shape))
    window = data.draw(windows(*shape[:2]))
    node = convolution(x, window)
    values = data.draw(activations(x))
    wanted = window_sums(node, x, values)
    for layout in layouts(window):
        left = rest(window, layout)
        laid_out = replace(x, shape=unfolded(x.shape, layout))
        inner = replace(node, weights=unfold_weights(node.weights, layout), window=left)
        held = unfold(values[0], layout, x.zero_point)
        assert held.shape == laid_out.shape
        np.testing.assert_array_equal(window_sums(inner, laid_out, held[None]), wanted)


@given(
    data=st.data(), shape=st.tuples(*[st.integers(1, 6)] * 3), pixels=st.integers(1, 4),
    array=st.sampled_from([(4, 4), (8, 16), (2, 8), (16, 4)]), second=st.booleans(),
    fmt=st.sampled_from(["2hot", "signed-binary", "signed-binary/16"]), few=st.booleans(),
)
def test_any_first_layer(data, shape, pixels, array, second, fmt, few):
    """On engines with room for every layout, and with room for the smallest alone."""
    x = data.draw(tensors(shape=shape))
    window = data.draw(windows(*shape[:2]))
    nodes = [convolution(x, window, fmt=fmt, filters=5)]
    if second:
        nodes.append(convolution(x, window, fmt=fmt, filters=3, name="z", seed=1))
    config = replace(ROOMY, pixels=pixels, filters=array[0], inputs=array[1], format=fmt)
    made = network(x, *nodes)
    check(made, fit(made, config) if few else config)


@pytest.mark.parametrize(("inputs", "kernel"), [(16, (3, 3)), (9, (1, 3)), (4, (3, 3)), (3, None)])
def test_the_layout_with_the_fewest_cycles(inputs, kernel):
    """27 taps are two words of 16 and three of 9, as three columns are; with S = 3 none is saved"""
    config = replace(ROOMY, filters=inputs, inputs=inputs, requantisers=inputs)
    made = network(X, convolution(X, THREE))
    image = check(made, config)
    layout = image.meta.input.window
    assert layout == input_layout(made, config)
    assert (layout and layout.kernel) == kernel


def test_a_layout_that_does_not_fit_is_not_taken():
    made = network(X, convolution(X, THREE))
    config = replace(ROOMY, inputs=16, activation_words=63 * 2)
    assert check(made, config).meta.input.window.kernel == (1, 3)
    assert check(made, replace(config, activation_words=63 * 3)).meta.input.window.kernel == (3, 3)
    with pytest.raises(NhotError, match="Activation memory must have at least 126 words for this "
                                        "network, not 125"):
        compile_network(made, replace(config, activation_words=125))


def test_the_smallest_engine_holds_the_fewest_bits():
    made = network(X, convolution(X, THREE))
    config = fit(made, ROOMY)
    assert config.activation_words == 126
    assert check(made, config).meta.input.window.kernel == (1, 3)


def test_a_dense_layer_over_few_channels():
    """63 positions of three channels are 189 bytes: 12 words in place of 63."""
    step = unpack_program(check(network(X, dense(X)), ROOMY).program)[0]
    assert (step.last_tap_y, step.last_tap_x, step.last_word) == (0, 0, 11)


def test_inputs_that_stay_as_they_are():
    """Read by a pool, through two windows, by groups, by 1x1; or the output."""
    pool = MaxPool(inputs=("x",), output=replace(X, name="p", shape=(5, 7, 3)),
                   window=Window(kernel=(3, 3)))
    first = convolution(X, THREE)
    other = convolution(X, Window(kernel=(1, 1)), name="z")
    depthwise = replace(
        convolution(X, THREE, filters=3), weights=first.weights[:3, ..., :1], groups=3
    )
    for nodes in ([first, pool], [first, other], [depthwise], [other]):
        assert check(network(X, *nodes), ROOMY).meta.input.window is None
    image = compile_network(network(X, first, output_name="x"), ROOMY)
    assert image.meta.input.window is None


@pytest.mark.parametrize(("change", "text"), [
    ({"fill": 256}, "Tensor 'x' fill must be 0 to 255, not 256"),
    ({"window": Window(kernel=(99, 1))}, r"Window of \(99, 1\) must fit its padded input"),
    ({"window": Window(kernel=(3, 1))}, "Tensor 'x' words must be .*, not 126"),
    ({"window": None}, "Tensor 'x' words must be 63, .* not 126"),
    ({"window": None, "words": 63}, "Tensor 'x' fill must be 0 to 0, not 77"),
])
def test_a_layout_is_checked(change, text):
    place = Placement.of(X, 0, 16, THREE)
    with pytest.raises(NhotError, match=text):
        replace(place, **change)


def test_only_an_input_has_a_layout():
    image = compile_network(network(X, convolution(X, THREE)), ROOMY)
    meta = image.meta
    layer = replace(meta.layers[0], output=Placement.of(X, 0, 16, THREE))
    with pytest.raises(NhotError, match="Tensor 'x' window must be none, since only an input"):
        replace(meta, layers=(layer,), output=layer.output)


def test_an_image_with_another_layout_is_not_that_of_its_network():
    made = network(X, convolution(X, THREE))
    image = compile_network(made, ROOMY)
    other = replace(image, meta=replace(image.meta, input=replace(image.meta.input, fill=76)))
    with pytest.raises(MismatchError, match=r"Input must lie as .*fill=77.*, not as .*fill=76"):
        check_contents(made, other)


def test_the_layout_outlives_a_file():
    image = compile_network(network(X, convolution(X, THREE)), ROOMY)
    data = image.to_bytes()
    assert Image.from_bytes(data).meta.input == image.meta.input
    old = data[:4] + (1).to_bytes(2, "little") + data[6:]
    with pytest.raises(ImageError, match="Image version must be 2, not 1; compile it again"):
        Image.from_bytes(old)


@pytest.mark.parametrize(("window", "rows", "columns"), [
    (Window(kernel=(1, 1)), 1, 32), (Window(kernel=(1, 1), dilation=(2, 2)), 1, 32),
    (Window(kernel=(1, 1), stride=(1, 2)), 7, 3),
    (Window(kernel=(1, 1), padding=(0, 0, 1, 0)), 8, 5),
])
def test_positions_in_one_row_fill_the_pixels(window, rows, columns):
    """7 x 9 positions are 35 pairs row by row, and 32 in one row."""
    x = replace(X, shape=(7, 9, 16))
    image = check(network(x, convolution(x, window)), replace(ROOMY, pixels=2))
    step = unpack_program(image.program)[0]
    assert (step.last_row + 1, step.last_column + 1) == (rows, columns)


def test_rows_that_fill_the_pixels_stay():
    x = replace(X, shape=(7, 8, 16))
    made = network(x, convolution(x, Window(kernel=(1, 1))))
    step = unpack_program(check(made, replace(ROOMY, pixels=2)).program)[0]
    assert (step.last_row + 1, step.last_column + 1) == (7, 4)


def test_a_row_that_cannot_be_counted_is_not_made():
    """66,049 positions are more than a descriptor can say; it is their memory that is refused."""
    x = Tensor(name="x", shape=(257, 257, 1))
    made = network(x, convolution(x, Window(kernel=(1, 1)), filters=1))
    with pytest.raises(NhotError) as caught:
        compile_network(made, replace(ROOMY, pixels=2))
    assert "columns" not in str(caught.value)
    assert "Activation memory must have at least" in str(caught.value)
