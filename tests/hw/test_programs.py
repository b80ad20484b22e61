"""Random programs: refused when the image is made, or run to their end in the cycles predicted."""

from dataclasses import replace

import numpy as np
import pytest

from nhot.compiler import EngineConfig, ImageError, Machine, compile_network
from nhot.contract.cycles import program_cycles
from nhot.contract.program import FIELDS, unpack_program
from nhot.errors import NhotError
from nhot.testing.networks import random_network
from nhot_sim.engine_simulation import EngineSimulation

CONFIG = EngineConfig(
    pixels=2, filters=2, inputs=2, activation_words=100, weight_words=200, requant_words=60,
)
FREE = ("pad_value", "zero_point", "low", "high", "terms", "tail_groups", "tail_pixels", "pad_x",
        "pad_y", "width", "height", "input_address", "output_address", "requant_address",
        "weight_address", "pixel_words", "row_words", "last_row", "last_tile")


def images(seed, count):
    """Programs with a few fields of a few descriptors changed, as many as are accepted."""
    rng = np.random.default_rng(seed)
    made = compile_network(
        random_network(seed, layers=3, shape=(3, 4, 2), widest=3, argmax=True), CONFIG
    )
    refusals = 0
    while count:
        steps = unpack_program(made.program)
        for _ in range(rng.integers(1, 3)):
            index = int(rng.integers(len(steps) - 1))
            field = str(rng.choice(FREE if rng.random() < 0.9 else list(FIELDS)[1:]))
            now = int(getattr(steps[index], field))
            value = now + int(rng.integers(-3, 4))
            if rng.random() < 0.2:
                value = int(rng.integers(1 << FIELDS[field]))
            try:
                steps[index] = replace(steps[index], **{field: value})
            except NhotError:
                refusals += 1  # no field has it
        layers = tuple(
            replace(layer, cycles=cycles)
            for layer, cycles in zip(made.meta.layers, program_cycles(steps, CONFIG), strict=False)
        )
        program = b"".join(step.pack() for step in steps)
        try:
            image = replace(made, program=program, meta=replace(made.meta, layers=layers))
        except ImageError:
            refusals += 1
            continue
        if image != made:
            count -= 1
            yield image
    assert refusals


@pytest.mark.parametrize("seed", range(2))
def test_programs_end_or_are_refused(seed):
    for image in images(seed, 2):
        x = np.zeros(image.meta.input.shape, np.int64)
        Machine(image).run(x)
        predicted = sum(program_cycles(unpack_program(image.program), CONFIG))
        simulation = EngineSimulation(image, limit=predicted + 1, direct=True)
        simulation.run([x])
        assert simulation.cycles == predicted


def test_many_programs_run_on_the_machine():
    for seed in range(2):
        for image in images(seed, 8):
            Machine(image).run(np.zeros(image.meta.input.shape, np.int64))
