"""Bench of the core: golden vectors, then random sums with new weights, compared in every cycle."""

import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cocotb
import model
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))
PIXELS: int = model.CORE["pixels"]
FILTERS: int = model.CORE["filters"]
WORDS: int = model.CORE["words"]
BIAS: bool = model.CORE["bias"]
SERIAL = model.INTERVAL > 1

Memory = dict[int, list[list[int]]]  # weights of each filter, by address


class Sum(NamedTuple):
    """The steps of one sum in all lanes, what each filter begins at, and what they must be."""

    x: list[list[list[int]]]  # of each step and pixel
    words: list[int]
    bias: list[int]
    totals: list[list[int]]  # of each pixel and filter


class Cycle(NamedTuple):
    """The inputs in one cycle; ``totals`` are the sums that it completes."""

    x: int
    word: int
    enable: int
    first: int
    last: int
    phase: int
    bias: int
    totals: list[list[int]] | None = None


@cocotb.test()
async def golden_vectors(dut: Any) -> None:
    """The sums of vectors.json, back to back; the model must agree with them, too."""
    memory = dict(enumerate(VECTORS["weights"]))
    sums = [Sum(one["x"], one["words"], one["bias"], one["sum"]) for one in VECTORS["sums"]]
    for one in sums:
        got = make(memory, one.x, one.words, one.bias).totals
        assert got == one.totals, f"Model must give {one.totals}, not {got}"
    await run(dut, memory, sums, gaps=0.0)


@cocotb.test()
async def every_word(dut: Any) -> None:
    """Random weights in all words of the memory (in 64 of a large one), each read at least once."""
    source = random.Random(1)
    addresses = sorted({0, WORDS - 1, *(source.randrange(WORDS) for _ in range(62))})
    if WORDS <= 64:
        addresses = list(range(WORDS))
    memory = {address: random_word(source) for address in addresses}
    order = source.sample(addresses, len(addresses))
    sums = [random_sum(source, memory, [address]) for address in order]
    await run(dut, memory, sums, gaps=0.05)


@cocotb.test()
async def random_sums(dut: Any) -> None:
    """Long sums, half of the cycles idle and full of garbage."""
    source = random.Random(2)
    memory = {address: random_word(source) for address in range(min(WORDS, 16))}
    choices = [
        [source.choice(list(memory)) for _ in range(source.randint(1, 20))] for _ in range(30)
    ]
    await run(dut, memory, [random_sum(source, memory, words) for words in choices], gaps=0.5)


def random_word(source: random.Random) -> list[list[int]]:
    """Weights of a step for each filter, of one sign in each if they share it."""
    return [random_weights(source) for _ in range(FILTERS)]


def random_weights(source: random.Random) -> list[int]:
    """Weights of a step of one filter."""
    levels = model.LEVELS
    if model.SHARED_SIGN:
        sign = source.choice((-1, 1))
        levels = [level for level in levels if level * sign >= 0]
    return [source.choice(levels) for _ in range(model.INPUTS)]


def random_sum(source: random.Random, memory: Memory, words: list[int]) -> Sum:
    """A sum that reads these words, with random activations."""
    x = [
        [[source.randint(model.LOW, model.HIGH) for _ in range(model.INPUTS)]
         for _ in range(PIXELS)]
        for _ in words
    ]
    bias = [any_bias(source) if BIAS else 0 for _ in range(FILTERS)]
    return make(memory, x, words, bias)


def make(memory: Memory, x: list[list[list[int]]], words: list[int], bias: list[int]) -> Sum:
    """The sum of these steps as the model has it."""
    totals = [
        [
            model.total([step[t] for step in x], [memory[word][p] for word in words], bias[p])
            for p in range(FILTERS)
        ]
        for t in range(PIXELS)
    ]
    return Sum(x, words, bias, totals)


async def run(dut: Any, memory: Memory, sums: list[Sum], *, gaps: float) -> None:
    """Write ``memory``, feed ``sums``, and compare the outputs in every cycle."""
    source = random.Random(3)
    cycles = list(traffic(source, sums, gaps))
    cycles += [garbage(source) for _ in range(model.LATENCY)]
    expected = [None] * model.LATENCY + [cycle.totals for cycle in cycles]
    biases = [0] * (model.LATENCY - 1) + [cycle.bias for cycle in cycles]
    await reset(dut)
    await write(dut, memory)
    for t, cycle in enumerate(cycles):
        drive(dut, cycle, biases[t])
        check(dut, t, expected[t])
        await FallingEdge(dut.clk)


def check(dut: Any, cycle: int, totals: list[list[int]] | None) -> None:
    """Compare ``o_valid``, and where it is high all sums."""
    valid = dut.o_valid.value == 1
    assert valid == (totals is not None), f"o_valid in cycle {cycle} must be {not valid}"
    if totals is None:
        return
    bits = model.CORE["accumulator_bits"]
    word = dut.o_sum.value.to_unsigned()
    for t, p in ((t, p) for t in range(PIXELS) for p in range(FILTERS)):
        got = model.wrapped(word >> (t * FILTERS + p) * bits)
        assert got == totals[t][p], (
            f"Sum of pixel {t}, filter {p} in cycle {cycle} must be {totals[t][p]}, not {got}"
        )


def traffic(source: random.Random, sums: Iterable[Sum], gaps: float) -> Iterator[Cycle]:
    """The cycles of ``sums``, before each of them gaps with this probability."""
    bits = model.CORE["accumulator_bits"]
    for one in sums:
        for k, (x, word) in enumerate(zip(one.x, one.words, strict=True)):
            packed = join((model.pack_activations(pixel) for pixel in x), activations_bits())
            for phase in range(model.INTERVAL):
                while source.random() < gaps:
                    yield garbage(source)
                start = k == phase == 0
                end = (k, phase) == (len(one.x) - 1, model.INTERVAL - 1)
                bias = join(one.bias, bits) if start else 0
                yield Cycle(
                    packed, word, 1, k == 0, end, phase, bias, one.totals if end else None
                )


def garbage(source: random.Random) -> Cycle:
    """A cycle without the enable, and with anything else."""
    x = source.getrandbits(PIXELS * activations_bits())
    phase = source.randrange(model.INTERVAL)
    return Cycle(
        x, source.randrange(WORDS), 0, source.randrange(2), source.randrange(2), phase,
        source.getrandbits(FILTERS * model.CORE["accumulator_bits"]),
    )


def activations_bits() -> int:
    """Of one pixel."""
    return model.INPUTS * model.CORE["activation_bits"]


def join(values: Iterable[int], bits: int) -> int:
    """Values of so many bits side by side, the first in the low bits."""
    return sum((value & (1 << bits) - 1) << i * bits for i, value in enumerate(values))


def any_bias(source: random.Random) -> int:
    """Any value that the accumulator can have."""
    return model.wrapped(source.getrandbits(model.CORE["accumulator_bits"]))


async def reset(dut: Any) -> None:
    """Start the clock and hold the reset over one edge of it."""
    dut.i_write.value = 0
    drive(dut, Cycle(0, 0, 0, 0, 0, 0, 0), 0)
    dut.rst.value = 1
    Clock(dut.clk, 10, "ns").start()
    await FallingEdge(dut.clk)
    dut.rst.value = 0


async def write(dut: Any, memory: Memory) -> None:
    """Write words of weights, one a cycle."""
    for address, word in memory.items():
        dut.i_write.value = 1
        dut.i_write_address.value = address
        dut.i_write_data.value = model.pack_word(word)
        await FallingEdge(dut.clk)
    dut.i_write.value = 0


def drive(dut: Any, cycle: Cycle, bias: int) -> None:
    """Put a cycle on the ports, and the bias that is due in it."""
    dut.i_x.value = cycle.x
    dut.i_weights.value = cycle.word
    dut.i_en.value = cycle.enable
    dut.i_first.value = cycle.first
    dut.i_last.value = cycle.last
    if SERIAL:
        dut.i_phase.value = cycle.phase
    if BIAS:
        dut.i_bias.value = bias
