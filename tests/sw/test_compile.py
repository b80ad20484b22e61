"""Compiler: the image alone gives the network's numbers, and what does not fit is refused."""

from dataclasses import replace

import numpy as np
import pytest

from nhot.compiler import EngineConfig, Image, Machine, Placement, compile_network
from nhot.compiler.first_fit import Lifetime, place
from nhot.contract.program import DESCRIPTOR_WORDS, WORDS, Descriptor, Operation
from nhot.errors import NhotError
from nhot.formats import parse
from nhot.network import Conv2d, Linear, Network, Requant, Tensor, Window
from nhot.network.reference import run
from nhot.testing.engine_networks import extreme_inputs, sample_network, sample_weights

CONFIGS = [
    EngineConfig(),
    EngineConfig(pixels=2, filters=4, inputs=2, requantisers=2),
    EngineConfig(pixels=3, filters=2, inputs=4, lane="serial"),
    EngineConfig(format="signed-binary", filters=8, inputs=4, requantisers=4),
    EngineConfig(format="int8", filters=1, inputs=2),
    EngineConfig(format="1hot", filters=6, inputs=3, requantisers=3, pixels=4),
    EngineConfig(format="ternary", filters=16, inputs=8, requantisers=8),
    EngineConfig(format="3hot", lane="serial"),
    EngineConfig(format="signed-binary/2", filters=4, inputs=2, requantisers=2, pixels=2),
    EngineConfig(format="signed-binary/8", filters=8, inputs=4),
    EngineConfig(format="signed-binary/3", filters=3, inputs=3, requantisers=3),
    EngineConfig(format="binary", filters=4, inputs=2, requantisers=2),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.format}-{c.macs}")
def test_image_gives_the_reference_numbers(config):
    network = sample_network(config.format)
    image = Image.from_bytes(compile_network(network, config).to_bytes())
    machine = Machine(image)
    inputs = extreme_inputs(network)
    wanted = run(network, inputs, trace=True)
    for i, x in enumerate(inputs):
        for name, values in machine.run(x).items():
            np.testing.assert_array_equal(values, wanted[name][i], err_msg=f"{name}, input {i}")


@pytest.mark.parametrize("format_name", ["signed-binary", "binary", "ternary", "1hot", "2hot"])
def test_a_richer_engine_runs_a_poorer_format(format_name):
    network = sample_network(format_name, seed=3)
    machine = Machine(compile_network(network, EngineConfig(format="3hot")))
    x = extreme_inputs(network, seed=3)
    wanted = run(network, x, trace=True)
    assert all(np.array_equal(v, wanted[k][0]) for k, v in machine.run(x[0]).items())


def _convolution(groups=1, dilation=(1, 1), channels=4, filters=4, bias=0):
    fmt = parse("2hot")
    window = Window(kernel=(3, 3), padding=(2, 0, 1, 2), dilation=dilation)
    height, width = window.output_size(7, 6)
    rng = np.random.default_rng(5)
    return Network(
        name="one", input=Tensor(name="x", shape=(7, 6, channels), zero_point=9),
        nodes=(
            Conv2d(
                inputs=("x",), format=fmt,
                output=Tensor(name="y", shape=(height, width, filters), zero_point=7),
                weights=sample_weights(fmt, (filters, 3, 3, channels // groups), rng),
                bias=np.full(filters, bias), window=window, groups=groups,
                requant=Requant.from_scale([2e-4] * filters, zero_point=7, low=0, high=255),
            ),
        ),
    )


@pytest.mark.parametrize(("groups", "dilation"), [(1, (2, 1)), (4, (1, 1)), (2, (1, 2))])
def test_dilation_groups_and_lopsided_padding(groups, dilation):
    network = _convolution(groups, dilation)
    x = extreme_inputs(network)
    machine = Machine(compile_network(network, EngineConfig(pixels=4)))
    for i, wanted in enumerate(run(network, x)):
        np.testing.assert_array_equal(machine.run(x[i])["y"], wanted)


def test_same_bytes_every_time():
    first, second = (
        compile_network(sample_network("2hot"), EngineConfig()).to_bytes() for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accumulator_bits": 15},
         "Accumulator of the engine must have at least .* 'conv', not 15"),
        ({"product_bits": 33}, "Product of the engine must have at least .* bits for layer"),
        ({"weight_words": 16}, "Weight memory must have at least [0-9]+ words .* not 16"),
        ({"requant_words": 16}, "Requant memory must have at least [0-9]+ words .* not 16"),
        ({"program_words": 32}, "Program memory must have at least [0-9]+ words .* not 32"),
        ({"activation_words": 64}, "Activation memory must have at least [0-9]+ words .* not 64"),
        ({"format": "1hot"}, "Layer 'conv': Weight at index .* must be a level of 1hot, not"),
        ({"inputs": 1, "filters": 4}, "Layer 'answer': Engine inputs must be at least 2, not 1"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(NhotError, match=message):
        compile_network(sample_network("2hot"), replace(EngineConfig(), **change))


def test_more_tiles_than_the_engine_can_count_are_refused():
    fmt = parse("2hot")
    filters = 300
    network = Network(
        name="wide", input=Tensor(name="x", shape=(1, 1, 4)),
        nodes=(Linear(
            inputs=("x",), output=Tensor(name="y", shape=(1, 1, filters)), format=fmt,
            weights=np.ones((filters, 4), np.int64), bias=np.zeros(filters, np.int64),
            requant=Requant.from_scale([0.1] * filters, zero_point=0, low=0, high=255),
        ),),
    )
    config = EngineConfig(filters=1, inputs=4, activation_words=128, weight_words=512,
                          requant_words=1024)
    message = "Tiles of filters or channels of layer 'y' must be at most 256 .* not 300"
    with pytest.raises(NhotError, match=message):
        compile_network(network, config)


def test_accumulator_bits_are_the_fewest_that_compile():
    network = _convolution(channels=8, filters=2)
    needed = compile_network(network, EngineConfig()).meta.layers[0].accumulator_bits
    assert _compiles(network, EngineConfig(accumulator_bits=needed))
    assert not _compiles(network, EngineConfig(accumulator_bits=needed - 1))


def _compiles(network, config):
    try:
        compile_network(network, config)
    except NhotError:
        return False
    return True


def test_words_of_a_descriptor_have_32_bits_at_most():
    assert max(sum(word.values()) for word in WORDS) == 32
    assert len(Descriptor(operation=Operation.END).pack()) == 4 * len(WORDS)


def test_descriptor_round_trip():
    step = Descriptor(operation=Operation.SUM, pad_value=-7, low=-128, last_tile=4095, jump_x=65535)
    packed = step.pack()
    assert len(packed) == 4 * DESCRIPTOR_WORDS
    assert Descriptor.unpack(packed) == step


def test_descriptor_field_range():
    with pytest.raises(NhotError, match="Descriptor field last_tile must be 0 to 4095, not 4096"):
        Descriptor(operation=Operation.MAX, last_tile=4096)


def test_tensors_that_live_together_never_overlap():
    rng = np.random.default_rng(1)
    for _ in range(50):
        tensors = []
        for i in range(12):
            first = int(rng.integers(0, 20))
            tensors.append(Lifetime(
                name=str(i), words=int(rng.integers(1, 30)), first=first,
                last=first + int(rng.integers(0, 6)),
            ))
        addresses = place(tensors)
        for a in tensors:
            for b in tensors:
                if a.name < b.name and a.first <= b.last and b.first <= a.last:
                    start, other = addresses[a.name], addresses[b.name]
                    assert start + a.words <= other or other + b.words <= start


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [2, 4, 7, 8, 16])
def test_a_placement_takes_its_tensors_range_and_nothing_else(bits, signed):
    tensor = Tensor(name="x", shape=(1, 2, 1), bits=bits, signed=signed)
    place = Placement.of(tensor, 0, 4)
    ends = np.array([[[tensor.low], [tensor.high]]])
    assert np.array_equal(place.unpack(place.pack(ends)), ends)
    for beyond in ([tensor.low - 1, 0], [0, tensor.high + 1]):
        text = f"Input 'x' must be {tensor.low} to {tensor.high}, not {min(beyond)} to"
        with pytest.raises(NhotError, match=text):
            place.pack(np.reshape(beyond, (1, 2, 1)))
