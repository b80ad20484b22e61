"""The smallest engine that holds a network, and networks that none holds."""

from dataclasses import replace

import numpy as np
import pytest

from nhot.compiler import EngineConfig, Machine, compile_network
from nhot.compiler.fit import fit
from nhot.contract.config import SIZES
from nhot.errors import NhotError
from nhot.formats import NHot, parse
from nhot.network import Window
from nhot.network.reference import run
from nhot.testing.networks import random_network
from nhot.testing.one_layer import byte, dense, window_layer


def test_layers_that_no_format_holds_together():
    """Two 12-bit powers beside odd numbers: no one format has both."""
    formats = (NHot(bits=12, n=2), parse("int8"))
    made = random_network(1, layers=4, formats=formats, operators=("conv",))
    assert {node.format for node in made.nodes} == set(formats)
    with pytest.raises(NhotError, match=r"Layer 'conv0': Weight at index .* must be a level of 2"):
        fit(made, EngineConfig())


@pytest.mark.parametrize("seed", range(8))
def test_fit_is_the_smallest(seed):
    """Every size has its least, or one less is refused."""
    formats = (parse("2hot"), parse("3hot"))
    made = random_network(seed, layers=6, formats=formats, widest=9, argmax=True)
    config = fit(made, EngineConfig(pixels=2, filters=6, inputs=3, requantisers=3))
    machine = Machine(compile_network(made, config))
    x = np.random.default_rng(seed).integers(
        made.input.low, made.input.high + 1, (1, *made.input.shape))
    wanted = run(made, x, trace=True)
    assert all(np.array_equal(got, wanted[name][0]) for name, got in machine.run(x[0]).items())
    for size in ("accumulator_bits", "product_bits", "activation_words", "weight_words",
                 "requant_words", "program_words"):
        least = getattr(config, size)
        if least > SIZES[size][0]:
            with pytest.raises(NhotError):
                compile_network(made, replace(config, **{size: least - 1}))


@pytest.mark.parametrize(("held", "given", "lane", "fitted"), [
    ("2hot", "2hot", "serial", "2hot"), ("1hot", "3hot", "parallel", "3hot"),
    ("3hot", "2hot", "parallel", "3hot"), ("2hot", "signed-binary", "parallel", "2hot"),
    ("int8", "2hot", "serial", "int8"), ("ternary", "signed-binary", "parallel", "ternary"),
])
def test_fit_keeps_the_format_unless_it_cannot_hold(held, given, lane, fitted):
    fmt = parse(held)
    weights = np.array([fmt.levels])
    made = dense(byte("x", (1, 1, weights.size)), weights, np.zeros(1, np.int64), 0.1, fmt)
    config = fit(made, EngineConfig(format=given, lane=lane))
    assert config.format == fitted
    assert config.lane == ("parallel" if fitted == "int8" else lane)
    compile_network(made, config)


def test_fit_refuses_what_no_size_cures():
    wide = window_layer(byte("x", (1, 257, 1)), Window(kernel=(1, 257)))
    with pytest.raises(NhotError, match="Kernel columns of layer 'y' must be at most 256, not 257"):
        fit(wide, EngineConfig())
    deep = window_layer(byte("x", (257, 257, 1)), Window(kernel=(1, 1)))
    with pytest.raises(NhotError, match="Engine activation_words must be 16 to 65536, not the"):
        fit(deep, EngineConfig())
