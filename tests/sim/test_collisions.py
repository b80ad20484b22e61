"""The simulation sees a word that is read, and used, in the cycle in which it is written.

No image holds such a program; it is put into one behind its checks.
"""

import copy
import re
from dataclasses import replace

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.contract.program import unpack_program
from nhot.errors import MismatchError
from nhot.network import Conv2d, MaxPool, Network, Requant, Tensor, Window
from nhot_sim.engine_simulation import EngineSimulation

WIDTH = 16
WINDOW = Window(kernel=(1, 9))


def _tensor(name, width):
    return Tensor(name=name, shape=(1, width, 4), bits=8, signed=True, zero_point=0)


POOL = MaxPool(inputs=("x",), output=_tensor("y", WIDTH - 8), window=WINDOW)
CONV = Conv2d(
    inputs=("x",), output=_tensor("y", WIDTH - 8), window=WINDOW,
    weights=np.ones((4, 1, 9, 4), np.int64), bias=np.zeros(4, np.int64),
    requant=Requant.from_scale([0.01] * 4, zero_point=0, low=-128, high=127),
    format=EngineConfig().weight_format,
)


class Record(EngineSimulation):
    """Notes what the memory's ports do, instead of judging it."""

    def __init__(self, image):
        super().__init__(image, direct=True)
        self.pairs = set()  # of a word read and a word written in the same cycle

    def _check_collision(self, ctx, engine):
        memory, walker = engine.activations, engine.walker
        if not (ctx.get(memory.i_write) and ctx.get(walker.o_valid)):
            return
        written = ctx.get(memory.i_write_address)
        self.pairs |= {
            (ctx.get(memory.i_address[t]), written) for t in range(self.image.config.pixels)
            if ctx.get(walker.o_step.inside[t])
        }


def _moved(image, output_address):
    """The image with its layer writing to another place."""
    layer, *rest = unpack_program(image.program)
    program = [replace(layer, output_address=output_address), *rest]
    moved = copy.copy(image)
    object.__setattr__(moved, "program", b"".join(step.pack() for step in program))
    return moved


def _collisions(simulation):
    try:
        simulation.run([np.zeros((1, WIDTH, 4), np.int64)])
    except MismatchError as error:
        text = re.fullmatch(r"Word (\d+) must not be read while it is written", str(error))
        return int(text[1])
    return None


@pytest.mark.parametrize(("node", "pixels"), [(POOL, 1), (CONV, 3)])
def test_each_distance_that_collides_is_seen_and_no_other(node, pixels):
    """When a layer writes does not depend on where: one sound run tells which distances collide."""
    config = EngineConfig(activation_words=64, pixels=pixels)
    image = compile_network(Network(name="one", input=_tensor("x", WIDTH), nodes=(node,)), config)
    record = Record(image)
    assert _collisions(record) is None
    layer = unpack_program(image.program)[0]
    collide = {
        read - (written - layer.output_address) - layer.input_address
        for read, written in record.pairs
    }
    distances = range(12)
    seen = {
        distance: _collisions(
            EngineSimulation(_moved(image, layer.input_address + distance), direct=True)
        ) for distance in distances
    }
    assert {distance for distance, word in seen.items() if word is not None} == (
        collide & set(distances)
    )
    assert len(collide & set(distances)) > 1
    assert all(word is None or word >= distance for distance, word in seen.items())
