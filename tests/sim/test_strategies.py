"""What the strategies promise; a broken strategy would make other tests vacuous."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nhot.compiler import compile_network
from nhot.errors import NhotError
from nhot.formats import parse
from nhot.network import Add, ArgMax, AvgPool, Clamp, Conv2d, Linear, MaxPool
from nhot.network.reference import run
from nhot.testing.strategies import activations, engine_configs, formats, levels, networks, tensors


@given(st.data())
def test_levels_are_of_their_format(data):
    fmt = data.draw(formats())
    weights = data.draw(levels(fmt, (3, 4)))
    folded, signs = fmt.fold_signs(weights)
    assert np.array_equal(folded * signs[:, None], weights)
    assert parse(fmt.name) == fmt


@given(st.data())
def test_activations_are_of_their_tensor(data):
    tensor = data.draw(tensors())
    tensor.check(data.draw(activations(tensor, batch=2)))


@settings(max_examples=60)
@given(st.data())
def test_networks_run(data):
    network = data.draw(networks())
    output = run(network, data.draw(activations(network.input, batch=2)))
    assert output.shape == (2, *network.output.shape)


@settings(max_examples=60)
@given(st.data())
def test_engines_hold_most_networks(data):
    config = data.draw(engine_configs())
    network = data.draw(networks(fmt=config.weight_format))
    try:
        image = compile_network(network, config)
    except NhotError as error:
        image, refusal = None, str(error)
    assume(image is not None or "must have at least" not in refusal)
    assert image is not None, refusal
    assert image.config == config


def test_every_operator_is_drawn():
    drawn = set()

    @settings(max_examples=50)
    @given(networks())
    def collect(network):
        drawn.update(type(node) for node in network.nodes)

    collect()
    assert drawn == {Conv2d, Linear, MaxPool, AvgPool, Add, Clamp, ArgMax}
