"""Networks and engines at their limits: reference, image and gateware agree."""

from dataclasses import replace

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.fit import fit
from nhot.compiler.limits import Demand
from nhot.contract.program import unpack_program
from nhot.errors import MismatchError
from nhot.formats import parse
from nhot.network import AvgPool, Conv2d, Linear, MaxPool, Network, Requant, Tensor, Window
from nhot.testing.extremes import Case, extreme_case
from nhot_sim.extremes import check_case


@pytest.mark.parametrize("seed", range(3))
def test_extreme_cases(seed):
    outcome = check_case(extreme_case(seed))
    assert outcome == "equal" or outcome.startswith("refused: ")


@pytest.mark.parametrize(("seed", "operator"), [
    (1, "ConvTranspose2d"), (65, "ConvTranspose2d"), (8, "Upsample"), (37, "Concat"),
    (73, "Concat"),
])
def test_layers_of_several_walks(seed, operator):
    case = extreme_case(seed)
    assert operator in {type(node).__name__ for node in case.network.nodes}
    assert check_case(case) == "equal"


@pytest.mark.slow
def test_many_extreme_cases():
    outcomes = [check_case(extreme_case(seed)) for seed in range(1000, 1200)]
    assert outcomes.count("equal") > 100


def test_a_case_follows_from_its_seed():
    first, second = extreme_case(3), extreme_case(3)
    assert first.config == second.config
    assert np.array_equal(first.inputs, second.inputs)
    assert extreme_case(4).config != first.config


def one_layer(node, source, base, *inputs, **sizes):
    network = Network(name="one", input=source, nodes=(node,))
    shape = source.shape
    batch = np.stack([np.broadcast_to(value, shape) for value in inputs])
    return Case(
        seed=-1, network=network, config=replace(fit(network, base), **sizes), inputs=batch
    )


def narrow_dense(width, **sizes):
    """A dense layer with its sums and products at their ends; one size less by one."""
    source = Tensor(name="x", shape=(1, 1, 6), signed=True)
    node = Linear(
        inputs=("x",), output=Tensor(name="y", shape=(1, 1, 2), signed=True), format=parse("2hot"),
        weights=np.array([[127] * 6, [-127] * 6]), bias=np.array([31_000, -31_000]),
        requant=Requant.from_scale([2.0**-5, 90], zero_point=0, low=-128, high=127),
    )
    case = one_layer(node, source, EngineConfig(filters=2, inputs=2), -128, 127)
    size = {width: getattr(case.config, width) - 1} if width else {}
    return replace(case, config=replace(case.config, **size, **sizes))


def test_widths_that_just_fit_are_enough():
    assert check_case(narrow_dense(None)) == "equal"


@pytest.mark.parametrize("width", ["accumulator_bits", "product_bits"])
def test_a_bit_less_than_the_compiler_asks_for_is_wrong(width, monkeypatch):
    """So the compiler asks for no bit too many, and a difference is noticed and named."""
    assert check_case(narrow_dense(width)).startswith("refused: ")
    monkeypatch.setattr(Demand, "exceeds", lambda self, config: False)
    text = r"Seed -1: gateware of layer 'y', input \d, at \(0, 0, \d\) must be -?\d+, not -?\d+"
    with pytest.raises(MismatchError, match=text):
        check_case(narrow_dense(width))


def test_a_pool_whose_sum_just_fits_its_window():
    """512 bytes of -128 are -65,536, which takes all of 17 bits."""
    source = Tensor(name="x", shape=(2, 256, 1), signed=True)
    node = AvgPool(
        inputs=("x",), output=Tensor(name="y", shape=(1, 1, 1), signed=True),
        window=Window(kernel=(2, 256)),
        requant=Requant.from_scale([2.0**-9], zero_point=0, low=-128, high=127),
    )
    case = one_layer(node, source, EngineConfig(filters=1, inputs=1), -128, 127)
    assert (case.config.accumulator_bits, case.config.window_bits) == (17, 17)
    assert check_case(case) == "equal"


def test_padding_never_wins_a_max_pool():
    """Where all of a window but its padding is the least byte that there is."""
    source = Tensor(name="x", shape=(2, 2, 1), signed=True)
    node = MaxPool(
        inputs=("x",), output=replace(source, name="y", shape=(3, 3, 1)),
        window=Window(kernel=(2, 2), padding=(1, 1, 1, 1)),
    )
    assert check_case(one_layer(node, source, EngineConfig(filters=1, inputs=1), -128)) == "equal"


@pytest.mark.parametrize(("array", "groups", "depth", "each"), [
    ((1, 4, 4), 10, 1, 1), ((3, 4, 2), 7, 1, 1), ((2, 2, 4), 8, 1, 1), ((2, 6, 3), 3, 3, 4),
    ((1, 2, 2), 3, 3, 2),
])
def test_grouped_layers_read_the_words_of_their_groups(array, groups, depth, each):
    """Strided and padded, with P above, equal to and below S, and several pixels at a time."""
    pixels, filters, inputs = array
    source = Tensor(name="x", shape=(3, 5, groups * depth), zero_point=9)
    window = Window(kernel=(2, 3), stride=(2, 1), padding=(1, 1, 0, 2))
    count = groups * each
    rng = np.random.default_rng(count)
    node = Conv2d(
        inputs=("x",), output=Tensor(name="y", shape=(*window.output_size(3, 5), count)),
        weights=rng.choice(parse("2hot").levels, (count, 2, 3, depth)), format=parse("2hot"),
        bias=rng.integers(-99, 99, count), window=window, groups=groups,
        requant=Requant.from_scale([2.0**-7] * count, zero_point=0, low=0, high=255),
    )
    base = EngineConfig(pixels=pixels, filters=filters, inputs=inputs)
    values = rng.integers(0, 256, source.shape)
    case = one_layer(node, source, base, values, 255, program_words=512)  # room for parts
    assert check_case(case) == "equal"


@pytest.mark.parametrize(("pixels", "channels", "kernel", "shape"), [
    (2, 3, (3, 3), (4, 5)), (3, 1, (2, 4), (5, 4)), (3, 6, (1, 1), (3, 4)),
])
def test_inputs_in_windows_and_rows_in_one(pixels, channels, kernel, shape):
    """Few channels, with padding on all sides that is no zero; 1x1, with T pixels of one row."""
    source = Tensor(name="x", shape=(*shape, channels), zero_point=200)
    padding = (1, 1, 0, 2) if max(kernel) > 1 else (0, 0, 0, 0)
    window = Window(kernel=kernel, padding=padding)
    rng = np.random.default_rng(channels)
    node = Conv2d(
        inputs=("x",), output=Tensor(name="y", shape=(*window.output_size(*shape), 3)),
        weights=rng.choice(parse("2hot").levels, (3, *kernel, channels)), format=parse("2hot"),
        bias=rng.integers(-99, 99, 3), window=window,
        requant=Requant.from_scale([2.0**-7] * 3, zero_point=0, low=0, high=255),
    )
    values = rng.integers(0, 256, source.shape)
    base = EngineConfig(pixels=pixels, inputs=12, filters=4)
    case = one_layer(node, source, base, values, 255)
    image = compile_network(case.network, case.config)
    assert (image.meta.input.window is None) == (kernel == (1, 1))
    assert unpack_program(image.program)[0].last_row == 0 or kernel != (1, 1)
    assert check_case(case) == "equal"
