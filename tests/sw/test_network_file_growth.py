"""Network files of many layers: time grows with their number, and they share their tables."""

import sys
from itertools import pairwise

import numpy as np
import pytest

from nhot.cli.info import network_facts
from nhot.formats import parse
from nhot.network import Clamp, Network, Tensor
from nhot.network.file import from_bytes, to_bytes
from nhot.network.reference import run
from nhot.testing.networks import random_network


def clamps(count):
    x = Tensor(name="x", shape=(1, 1, 1))
    names = ["x", *(f"clamp{i}" for i in range(count))]
    return Network(name="clamps", input=x, nodes=tuple(
        Clamp(inputs=(before,), output=Tensor(name=name, shape=x.shape), low=0, high=9)
        for before, name in pairwise(names)
    ))


def opcodes(work):
    """How many instructions of Python ``work`` takes: its time, on no clock."""
    count = 0

    def trace(frame, event, _):
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def read_and_show(data):
    network = from_bytes(data)
    network_facts(network)
    for name in network.tensors:
        network.consumers(name)
    run(network, np.zeros((1, 1, 1, 1), int))


def test_layers_share_the_tables_of_a_format():
    """Some formats have 65,535 levels: to list them for every layer would take minutes."""
    network = random_network(1, layers=4, operators=("conv",), formats=(parse("int16"),))
    first, *others = (node.format for node in from_bytes(to_bytes(network)).nodes)
    assert all(other is first for other in others)


TASKS = {
    "build": lambda layers, data: clamps(layers),
    "write": lambda layers, data: to_bytes(clamps(layers)),
    "read": lambda layers, data: read_and_show(data),
}


@pytest.mark.parametrize("task", TASKS)
def test_time_grows_with_the_number_of_layers(task):
    """Not with its square: twice the layers, twice the instructions."""
    counts = []
    for layers in (100, 200):
        data = to_bytes(clamps(layers))  # and what is done only once is done
        counts.append(opcodes(lambda layers=layers, data=data: TASKS[task](layers, data)))
    assert counts[1] < 2.1 * counts[0]
