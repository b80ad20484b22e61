"""Grouped convolutions: tiles read only the words of their groups, and the numbers stay."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhot.compiler import EngineConfig, Image, Machine, compile_network
from nhot.compiler.differences import check_contents
from nhot.compiler.fit import fit
from nhot.compiler.image import ImageError
from nhot.compiler.steps import reach
from nhot.contract.config import SIZES
from nhot.contract.program import unpack_program
from nhot.errors import MismatchError, NhotError
from nhot.formats import parse
from nhot.network import Conv2d, Network, Requant, Tensor, Window
from nhot.network.reference import run
from nhot.testing.networks import random_input, random_weights
from nhot.testing.strategies import windows

ROOMY = EngineConfig(
    accumulator_bits=32, product_bits=64, activation_words=4096, weight_words=65536,
    requant_words=4096, program_words=1024,
)
ARRAYS = [(1, 1), (2, 8), (4, 8), (8, 8), (16, 4), (4, 4), (2, 4), (12, 4), (3, 6), (6, 3)]


def grouped(groups, depth, each, *, size=(5, 6), window=None, name="2hot", seed=0):
    """A convolution of ``groups`` groups, each of ``depth`` channels and ``each`` filters."""
    rng = np.random.default_rng(seed)
    window = window or Window(kernel=(3, 3), padding=(1, 1, 1, 1))
    filters, fmt = groups * each, parse(name)
    output = Tensor(name="y", shape=(*window.output_size(*size), filters), zero_point=3)
    node = Conv2d(
        inputs=("x",), output=output,
        weights=random_weights(rng, fmt, (filters, *window.kernel, depth)), format=fmt,
        bias=rng.integers(-99, 99, filters), window=window, groups=groups,
        requant=Requant.from_scale(rng.uniform(1e-4, 1e-3, filters), zero_point=3, low=0, high=255),
    )
    source = Tensor(name="x", shape=(*size, groups * depth), zero_point=7)
    return Network(name="grouped", input=source, nodes=(node,))


def check(network, config):
    """The image that is read back gives the numbers of the reference; its program is returned."""
    image = Image.from_bytes(compile_network(network, config).to_bytes())
    inputs = random_input(network.input, 3, 0)
    machine = Machine(image)
    for x, wanted in zip(inputs, run(network, inputs), strict=True):
        np.testing.assert_array_equal(machine.run(x)["y"], wanted)
    return unpack_program(image.program)


@given(
    array=st.sampled_from(ARRAYS), pixels=st.integers(1, 4), groups=st.integers(1, 20),
    depth=st.integers(1, 5), each=st.integers(1, 5), data=st.data(),
    name=st.sampled_from(["2hot", "signed-binary", "ternary", "int8"]),
)
def test_any_groups_on_any_array(array, pixels, groups, depth, each, data, name):
    filters, inputs = array
    config = replace(ROOMY, pixels=pixels, filters=filters, inputs=inputs, format=name)
    size = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 6)))
    check(grouped(groups, depth, each, size=size, window=data.draw(windows(*size)), name=name),
          config)


@pytest.mark.parametrize(("array", "shape", "words", "distance"), [
    ((8, 8), (40, 1, 1), 1, 1),  # depthwise, a word a tile
    ((16, 4), (48, 1, 1), 4, 4),  # four words a tile
    ((4, 8), (8, 1, 2), 1, 0),  # all in one word
    ((8, 4), (6, 4, 8), 1, 1),  # a tile a group
    ((4, 4), (6, 8, 4), 2, 2),  # two words a group
    ((4, 4), (3, 4, 8), 3, 0),  # two tiles a group: words of no constant distance
    ((6, 3), (9, 2, 2), 2, 2),  # three groups in two words
    ((4, 4), (4, 6, 4), 3, 1),  # groups of one word and a half
    ((4, 4), (1, 24, 30), 6, 0),  # dense
])
def test_tiles_read_the_words_of_their_groups(array, shape, words, distance):
    config = replace(ROOMY, filters=array[0], inputs=array[1])
    groups, depth, each = shape
    found = reach(groups * each, groups, np.arange(groups * depth), config)
    assert (found.words, found.distance) == (words, distance)
    check(grouped(*shape), config)


@given(
    array=st.sampled_from(ARRAYS), groups=st.integers(1, 20), depth=st.integers(1, 9),
    each=st.integers(1, 9),
)
def test_no_fewer_words_would_do(array, groups, depth, each):
    """Of all distances at which each tile has its words within a position, as a search finds it."""
    config = replace(ROOMY, filters=array[0], inputs=array[1])
    filters, words = groups * each, -(-groups * depth // config.inputs)
    needed = [
        {(f // each * depth + c) // config.inputs for c in range(depth)
         for f in range(first, min(first + config.filters, filters))}
        for first in range(0, filters, config.filters)
    ]
    best = min(
        count for distance in range(words) for count in range(1, words + 1)
        if all(
            need <= set(range(tile * distance, min(tile * distance + count, words)))
            and tile * distance + count <= words for tile, need in enumerate(needed)
        )
    )
    assert reach(filters, groups, np.arange(groups * depth), config).words == best


@pytest.mark.parametrize("distance", [0, 2, 5, -1])
def test_a_tile_beyond_its_position_is_refused(distance):
    """A distance that leads to the next position is refused; any other is the image's affair."""
    config = replace(ROOMY, filters=8, inputs=8)
    image = compile_network(grouped(40, 1, 1), config)
    step, end = unpack_program(image.program)
    moved = replace(step, jump_tile=(step.jump_tile + distance - 1) & 0xFFFF)
    def change():
        return replace(image, program=moved.pack() + end.pack())

    if distance == 0:
        change()
        return
    last = 4 * (distance & 0xFFFF)
    with pytest.raises(ImageError, match="Image descriptor 0 jump_tile must keep tiles within the "
                                         f"5 words of a position, not lead to word {last}"):
        change()


def test_the_weight_that_differs_is_named_by_its_channel():
    """Filter 13 reads channel 13 alone, which the second tile has in its only word."""
    network = grouped(40, 1, 1)
    node = network.nodes[0]
    weights = node.weights.copy()
    weights[13, 2, 1, 0] = 64 if weights[13, 2, 1, 0] != 64 else 32
    config = replace(ROOMY, filters=8, inputs=8)
    other = compile_network(replace(network, nodes=(replace(node, weights=weights),)), config)
    with pytest.raises(MismatchError, match=r"Weight of layer 'y' at filter 13, y 2, x 1, "
                                            r"channel 13 must be"):
        check_contents(network, other)


@pytest.mark.parametrize(("array", "shape", "parts"), [
    ((2, 8), (40, 1, 1), [(1, 4)] * 5),  # four tiles a word
    ((4, 8), (20, 1, 1), [(1, 2)] * 2 + [(1, 1)]),
    ((16, 4), (40, 1, 1), [(4, 2), (2, 1)]),  # the last tile is half a one
    ((8, 8), (40, 1, 1), [(1, 5)]),  # at a constant distance
    ((4, 4), (3, 4, 8), [(1, 2)] * 3),  # two tiles a group
    ((4, 4), (1, 24, 30), [(6, 8)]),  # one group
])
def test_tiles_of_no_constant_distance_go_in_parts(array, shape, parts):
    """Each with as many words as it needs, and as many tiles."""
    config = replace(ROOMY, filters=array[0], inputs=array[1])
    steps = check(grouped(*shape), config)[:-1]
    assert [(step.last_word + 1, step.last_tile + 1) for step in steps] == parts


def test_parts_take_the_fewest_cycles_that_the_program_has_room_for():
    """Twenty parts are 21 descriptors with END, 294 words; without room for them there is one."""
    network = grouped(80, 1, 1)
    config = replace(ROOMY, filters=2, inputs=4)
    fast, slow = (
        compile_network(network, replace(config, program_words=words)) for words in (294, 293)
    )
    cycles = [sum(layer.cycles for layer in image.meta.layers) for image in (fast, slow)]
    assert len(fast.meta.layers) == 20
    assert len(slow.meta.layers) == 1
    assert cycles[0] * 8 < cycles[1]
    assert {layer.name for layer in fast.meta.layers} == {"y"}
    whole = slow.meta.layers[0]
    for what in ("weights", "terms", "macs"):
        assert sum(getattr(layer, what) for layer in fast.meta.layers) == getattr(whole, what)
    check(network, config)


@pytest.mark.parametrize("groups", [8, 80])
def test_the_smallest_engine_goes_in_parts_where_that_saves_memory(groups):
    """A descriptor is 448 bits, a weight word of 2 x 4 lanes 64."""
    network = grouped(groups, 1, 1)
    config = fit(network, replace(ROOMY, filters=2, inputs=4))
    check(network, config)
    for size in ("weight_words", "program_words", "requant_words", "activation_words"):
        least = getattr(config, size)
        if least > SIZES[size][0]:
            with pytest.raises(NhotError):
                compile_network(network, replace(config, **{size: least - 1}))
