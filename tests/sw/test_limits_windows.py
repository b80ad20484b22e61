"""Positions and distances of a window: accepted at the limit, refused beyond it."""

from dataclasses import replace

import numpy as np
import pytest

from nhot.compiler import EngineConfig, Machine, compile_network
from nhot.compiler.fit import fit
from nhot.network import AvgPool, Conv2d, MaxPool, Window
from nhot.network.reference import run
from nhot.testing.one_layer import ROOMY, byte, refused, window_layer


@pytest.mark.parametrize(("window", "shape", "text"), [
    ({"kernel": (1, 256)}, (1, 256, 1), None),
    ({"kernel": (1, 257)}, (1, 257, 1), "Kernel columns of layer 'y' must be at most 256, not 257"),
    ({"kernel": (257, 1)}, (257, 1, 1), "Kernel rows of layer 'y' must be at most 256, not 257"),
    ({"stride": (1, 255)}, (1, 256, 1), None),
    ({"stride": (1, 256)}, (1, 257, 1), "Horizontal stride of layer 'y' .* at most 255, not 256"),
    ({"stride": (256, 1)}, (257, 1, 1), "Vertical stride of layer 'y' .* at most 255, not 256"),
    ({"dilation": (1, 255), "kernel": (1, 2)}, (1, 256, 1), None),
    ({"dilation": (1, 256), "kernel": (1, 2)}, (1, 257, 1), "Horizontal dilation of layer 'y'"),
    ({"dilation": (256, 1), "kernel": (2, 1)}, (257, 1, 1), "Vertical dilation of layer 'y'"),
    ({"padding": (255, 255, 0, 0), "stride": (255, 255)}, (1, 1, 1), None),
    ({"padding": (0, 256, 0, 0), "stride": (1, 255)}, (1, 1, 1), "Left padding of layer 'y' must"),
    ({"padding": (256, 0, 0, 0), "stride": (255, 1)}, (1, 1, 1), "Top padding of layer 'y' must"),
])
@pytest.mark.parametrize("kind", [Conv2d, AvgPool, MaxPool])
def test_numbers_of_a_window_have_their_limits(window, shape, text, kind):
    if kind is MaxPool and "padding" in window:
        return  # refused by the network: nothing but padding in a window
    made = window_layer(byte("x", shape), Window(**{"kernel": (1, 1), **window}), kind)
    if text is None:
        compile_network(made, ROOMY)
    else:
        refused(made, ROOMY, text)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("pixels", [1, 3])
@pytest.mark.parametrize("words", [200, 256, 300, 1000])
def test_padding_behind_the_input_must_not_wrap(axis, pixels, words):
    """The last position is the engine's last; a padding wider by a stride is refused."""
    config = replace(ROOMY, activation_words=words, pixels=pixels)
    most = {200: 512, 256: 512, 300: 1024, 1000: 2048}[words]
    stride = 250
    count = (most - 1) // stride + 1  # positions from 0 on
    if axis == 1:  # the engine counts the first pixel of T
        count = (most - 1) // (stride * pixels) * pixels + pixels
    for extra, fits in ((0, True), (1, False)):
        behind = (count - 1 + extra) * stride
        padding = (0, 0, behind, 0) if axis == 0 else (0, 0, 0, behind)
        window = Window(
            kernel=(1, 1), stride=(stride, 1) if axis == 0 else (1, stride), padding=padding
        )
        made = window_layer(byte("x", (1, 1, 1)), window)
        what = ("rows", "columns")[axis]
        if fits:
            compile_network(made, config)
        else:
            refused(made, config, rf"Input of layer 'y' .* at most {most} {what} on this engine, "
                                  r"not [0-9]+$")


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("before", [0, 3])
def test_the_last_tap_may_be_at_the_last_position(axis, before):
    config = replace(ROOMY, activation_words=200)  # positions up to 511
    stride = 250
    for step, fits in ((11 + before, True), (12 + before, False)):
        # Three positions, the last tap of the last one 2 * stride + step - before from the start.
        behind = 2 * stride + step - before
        kernel, dilation, strides, padding = (
            ((2, 1), (step, 1), (stride, 1), (before, 0, behind, 0)) if axis == 0 else
            ((1, 2), (1, step), (1, stride), (0, before, 0, behind))
        )
        made = window_layer(byte("x", (1, 1, 1)), Window(
            kernel=kernel, dilation=dilation, stride=strides, padding=padding
        ))
        if fits:
            compile_network(made, config)
        else:
            what = ("rows", "columns")[axis]
            refused(made, config, f"Input of layer 'y' .* at most 512 {what} .*, not 513")


def test_a_case_that_once_wrapped():
    window = Window(kernel=(1, 1), stride=(1, 64), padding=(0, 0, 0, 5000))
    made = window_layer(byte("x", (1, 4, 4)), window)
    config = EngineConfig(filters=2, accumulator_bits=22, product_bits=44)
    refused(made, config, "Input of layer 'y' with the padding behind it must have at most 2048")
    x = np.arange(16).reshape(1, 1, 4, 4)
    image = compile_network(made, fit(made, config))
    assert np.array_equal(Machine(image).run(x[0])["y"], run(made, x)[0])


@pytest.mark.parametrize(("stride", "fits"), [(16, True), (17, False)])
def test_pixels_side_by_side_must_not_wrap(stride, fits):
    made = window_layer(byte("x", (1, 1, 1)), Window(kernel=(1, 1), stride=(1, stride)))
    config = replace(ROOMY, activation_words=16, pixels=64)
    if fits:
        compile_network(made, config)
    else:
        refused(made, config, "Horizontal stride of layer 'y' must move 64 pixels by at most 1023")


def test_distances_beyond_the_engine_are_refused():
    window = Window(kernel=(2, 1), dilation=(255, 1), padding=(255, 0, 0, 0))
    made = window_layer(byte("x", (1, 40, 4)), window)
    small = replace(ROOMY, activation_words=90)
    refused(made, small, "Stride, dilation and padding of layer 'y' must step at most 511 words")
    compile_network(made, replace(ROOMY, activation_words=4097))


@pytest.mark.parametrize(("padding", "width", "fits"), [(73, 7, True), (64, 8, False)])
def test_a_walk_may_begin_so_far_before_its_input(padding, width, fits):
    """The first tap of 511 and 512 words before it: no jump is as far."""
    window = Window(kernel=(padding + 1, 1), padding=(padding, 0, 0, 0))
    made = window_layer(byte("x", (1, width, 4)), window)
    small = replace(ROOMY, activation_words=90)
    if fits:
        compile_network(made, small)
    else:
        refused(made, small, "must step at most 511 words through its input .* not 512")
