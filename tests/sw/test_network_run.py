"""How a network is run: batches of none, inputs that do not fit, outputs inside it."""


import numpy as np
import pytest

from nhot.errors import NhotError
from nhot.network import Network
from nhot.network.reference import run
from nhot.testing.networks import random_input, random_network


def test_a_batch_of_none():
    network = random_network(3)
    made = run(network, np.zeros((0, *network.input.shape), int))
    assert made.shape == (0, *network.output.shape)


def test_inputs_that_do_not_fit():
    network = random_network(3)
    low, high, shape = network.input.low, network.input.high, network.input.shape
    good = np.full((1, *shape), low)
    assert run(network, good.astype(np.int16)).dtype == np.int64
    with pytest.raises(NhotError, match="Tensor 'input' must have shape"):
        run(network, good[..., :-1])
    with pytest.raises(NhotError, match="Tensor 'input' must have shape"):
        run(network, good[0])
    with pytest.raises(NhotError, match="must hold integers, not float64"):
        run(network, good * 1.0)
    for value in (low - 1, high + 1):
        bad = good.copy()
        bad[0, 1, 2, 0] = value
        with pytest.raises(NhotError, match=rf"index \(0, 1, 2, 0\) .* not {value}"):
            run(network, bad)


def test_an_inner_output():
    network = random_network(11, layers=4)
    x = random_input(network.input, 3, 0)
    everything = run(network, x, trace=True)
    for name in list(network.tensors)[1:]:
        inner = Network(
            name="inner", input=network.input, nodes=network.nodes, output_name=name
        )
        assert (run(inner, x) == everything[name]).all()
