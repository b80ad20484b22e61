"""An image that differs from its network in one record: the text says in which."""

from dataclasses import replace

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.differences import check_contents
from nhot.contract.program import Operation, unpack_program
from nhot.errors import MismatchError
from nhot.testing.networks import random_network

CONFIG = EngineConfig(filters=8, inputs=4, requantisers=2, weight_words=1024, requant_words=512)
NETWORK = random_network(4, layers=4, operators=("conv", "average", "conv", "add"))
IMAGE = compile_network(NETWORK, CONFIG)
STEPS = unpack_program(IMAGE.program)
WORDS = np.frombuffer(IMAGE.requant, "<u4").reshape(-1, CONFIG.requantisers)


@pytest.mark.parametrize("word", range(len(WORDS)))
def test_the_record_that_differs_is_named(word):
    index = max(i for i, step in enumerate(STEPS[:-1]) if step.requant_address <= word)
    step, layer = STEPS[index], IMAGE.meta.layers[index]
    channels = layer.output.shape[2]
    for lane in range(CONFIG.requantisers):
        place = word - step.requant_address
        channel = place // 2 * CONFIG.requantisers + lane
        if step.operation is not Operation.ARRAY:
            channel = 0
        elif channel >= channels:
            continue  # what fills the last record up has no name
        changed = WORDS.copy()
        # A bit of a bias; of a multiplier the sign of its first term, if it has one.
        if place % 2 and not changed[word, lane] & 0x80:
            continue
        changed[word, lane] ^= 0x40 if place % 2 else 1 << (7 * lane)
        other = replace(IMAGE, requant=changed.astype("<u4").tobytes())
        what = "multiplier" if place % 2 else "bias"
        with pytest.raises(MismatchError) as caught:
            check_contents(NETWORK, other)
        assert str(caught.value) == (
            f"Requantisation of layer {layer.name!r}, {what} of channel {channel}, must be "
            f"{WORDS[word, lane]:#010x}, not {changed[word, lane]:#010x}"
        )


def without(layer):
    """The image of the network with one layer less."""
    return compile_network(replace(NETWORK, nodes=NETWORK.nodes[:layer], output_name=""), CONFIG)


def test_words_that_are_missing_are_counted():
    last = NETWORK.nodes[-1]
    assert last.weights.size
    with pytest.raises(MismatchError) as caught:
        check_contents(NETWORK, without(-1))
    assert str(caught.value) == (
        f"Layer {last.name!r} must have 6 weight words in the image, not 0"
    )


def test_a_program_of_another_length():
    network = random_network(3, layers=2, operators=("average", "max"))
    shorter = replace(network, nodes=network.nodes[:-1], output_name="")
    with pytest.raises(MismatchError, match=r"^Program must have 3 descriptors, not 2$"):
        check_contents(network, compile_network(shorter, CONFIG))


def test_records_that_nobody_reads():
    with pytest.raises(MismatchError, match=f"must have {len(IMAGE.requant)} bytes, not "
                                            f"{len(IMAGE.requant) + 8}"):
        check_contents(NETWORK, replace(IMAGE, requant=IMAGE.requant + bytes(8)))
