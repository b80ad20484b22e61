"""Networks that fill the engine's memory to its last word: no address beyond it may be seen."""

from __future__ import annotations

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.fit import fit
from nhot.network import Add, ArgMax, AvgPool, MaxPool, Network, Requant, Tensor, Window
from nhot.network.reference import run
from nhot.testing.engine_networks import extreme_inputs
from nhot.testing.networks import random_network
from nhot_sim.engine_simulation import EngineSimulation

PART = Requant.from_scale([0.5], zero_point=0, low=-128, high=127)
BOTH = Requant.from_scale([0.5, 0.25], zero_point=0, low=-128, high=127)


def tensor(name, shape, bits=8):
    return Tensor(name=name, shape=shape, signed=bits == 8, bits=bits)


def network(kind):
    """One layer of many words, whose output begins right behind its input."""
    x, y = tensor("x", (3, 5, 12)), tensor("y", (3, 5, 12))
    window = Window(kernel=(1, 1))
    wide = tensor("x", (1, 1, 60))
    nodes = {
        "max": MaxPool(inputs=("x",), output=y, window=window),
        "average": AvgPool(inputs=("x",), output=y, window=window, requant=PART),
        "add": Add(inputs=("x", "x"), output=y, requant=BOTH),
        "argmax": ArgMax(inputs=("x",), output=tensor("y", (3, 5, 1), 16)),
        "argmax-of-many": ArgMax(inputs=("x",), output=tensor("y", (1, 1, 1), 16)),
    }
    if kind not in nodes:
        return random_network(3, layers=1, shape=(3, 5, 12), operators=(kind,))
    source = wide if kind == "argmax-of-many" else x
    return Network(name=kind, input=source, nodes=(nodes[kind],))


@pytest.mark.parametrize("pixels", [1, 3])
@pytest.mark.parametrize(
    "kind", ["conv", "depthwise", "max", "average", "add", "argmax", "argmax-of-many"]
)
def test_the_last_word_is_used_and_none_beyond(kind, pixels):
    made = network(kind)
    base = EngineConfig(pixels=pixels, filters=4, inputs=4, requantisers=2)
    config = fit(made, base)
    image = compile_network(made, config)
    inputs = extreme_inputs(made)[:2]
    simulation = EngineSimulation(image, direct=True)
    for outputs, wanted in zip(simulation.run(list(inputs)), run(made, inputs), strict=True):
        (values,) = outputs.values()
        np.testing.assert_array_equal(values, wanted)
