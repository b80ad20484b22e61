"""Where activations lie in banks, and which layers read more than one pixel at a time."""

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.contract.banks import bank_words, banks, conflicts
from nhot.contract.program import unpack_program
from nhot.network import Conv2d, Network, Requant, Tensor, Window


@pytest.mark.parametrize(("pixels", "count"), [
    (1, 1), (2, 3), (3, 3), (4, 5), (5, 5), (6, 7), (8, 11), (64, 67),
])
def test_banks_are_an_odd_prime_of_at_least_as_many_as_pixels(pixels, count):
    assert banks(pixels) == count


@pytest.mark.parametrize("count", [1, 3, 5, 7, 11])
def test_no_two_words_share_a_place(count):
    """For every depth, whatever it has in common with the number of banks."""
    for words in range(16, 140):
        depth = bank_words(words, count)
        assert words <= count * depth < words + 2 * count
        assert len({(word % count, word % depth) for word in range(words)}) == words


@pytest.mark.parametrize("pixels", [2, 3, 4, 7, 8])
def test_pixels_are_in_banks_of_their_own_unless_distances_conflict(pixels):
    count = banks(pixels)
    for distance in range(1, 70):
        for word in (0, 1, 5):
            asked = {(word + pixel * distance) % count for pixel in range(pixels)}
            assert (len(asked) < pixels) == conflicts(distance, count)


@pytest.mark.parametrize(("channels", "stride", "alone"), [
    (8, 1, 0), (12, 1, 1), (8, 2, 0), (8, 3, 1), (16, 3, 1), (20, 1, 0), (24, 2, 1),
])
def test_layers_whose_pixels_conflict_take_one_at_a_time(channels, stride, alone):
    """Three banks and two pixels: of words a multiple of three apart."""
    conv = Conv2d(
        inputs=("x",), output=Tensor(name="y", shape=(1, 3, 4), bits=8, signed=True, zero_point=0),
        weights=np.ones((4, 1, 1, channels), np.int64), bias=np.zeros(4, np.int64),
        requant=Requant.from_scale([0.1] * 4, zero_point=0, low=-128, high=127),
        window=Window(kernel=(1, 1), stride=(1, stride)), format=EngineConfig().weight_format,
    )
    x = Tensor(name="x", shape=(1, 3 * stride, channels), bits=8, signed=True, zero_point=0)
    network = Network(name="one", input=x, nodes=(conv,))
    step = unpack_program(compile_network(network, EngineConfig(pixels=2)).program)[0]
    assert step.one_pixel == alone
    assert (step.last_column, step.tail_pixels, step.column_step) == (
        (2, 1, stride) if alone else (1, 1, 2 * stride)
    )


@pytest.mark.parametrize("pixels", [1, 2, 3, 4])
def test_positions_are_in_one_row_where_that_takes_fewer_groups(pixels):
    config = EngineConfig(pixels=pixels, activation_words=4096)
    for height, width in ((1, 5), (3, 4), (4, 3), (5, 5), (2, 2), (3, 1), (7, 2)):
        conv = Conv2d(
            inputs=("x",), format=config.weight_format, window=Window(kernel=(1, 1)),
            output=Tensor(name="y", shape=(height, width, 4)), bias=np.zeros(4, np.int64),
            weights=np.ones((4, 1, 1, 4), np.int64),
            requant=Requant.from_scale([0.1] * 4, zero_point=0, low=0, high=255),
        )
        x = Tensor(name="x", shape=(height, width, 4))
        network = Network(name="one", input=x, nodes=(conv,))
        step = unpack_program(compile_network(network, config).program)[0]
        flat, by_rows = -(-height * width // pixels), height * -(-width // pixels)
        assert (step.last_row + 1) * (step.last_column + 1) == min(flat, by_rows)
        assert step.last_row + 1 == (1 if flat < by_rows else height)
