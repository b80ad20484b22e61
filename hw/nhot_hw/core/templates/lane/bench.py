"""Bench of the core: golden vectors, every weight, and random sums, compared in every cycle."""

import itertools
import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cocotb
import model
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))["sums"]
BIAS: bool = model.CORE["bias"]
SERIAL = model.INTERVAL > 1
MOST_WEIGHTS = 1024  # of a format with more levels, so many are drawn


class Sum(NamedTuple):
    """The steps of one sum, what it begins at, and what it must be."""

    x: list[list[int]]
    w: list[list[int]]
    bias: int
    total: int


class Cycle(NamedTuple):
    """The inputs in one cycle; ``total`` is the sum that it completes."""

    x: int
    w: int
    enable: int
    first: int
    phase: int
    bias: int
    total: int | None = None


@cocotb.test()
async def golden_vectors(dut: Any) -> None:
    """The sums of vectors.json, back to back; the model must agree with them, too."""
    sums = [Sum(one["x"], one["w"], one["bias"], one["sum"]) for one in VECTORS]
    for one in sums:
        got = model.total(one.x, one.w, one.bias)
        assert got == one.total, f"Model must give {one.total}, not {got}"
    await run(dut, sums, gaps=0.0)


@cocotb.test()
async def every_weight(dut: Any) -> None:
    """Each input multiplies each weight with the extremes of its activations and some between."""
    source = random.Random(1)
    levels = model.LEVELS
    if len(levels) > MOST_WEIGHTS:
        levels = [*levels[:2], *levels[-2:], *source.sample(levels, MOST_WEIGHTS)]
    between = [source.randint(model.LOW, model.HIGH) for _ in range(3)]
    activations = {model.LOW, model.LOW + 1, 0, 1, model.HIGH - 1, model.HIGH, *between}
    signs = [1]
    if model.SHARED_SIGN:  # all weights of a step have it
        levels, signs = [level for level in levels if level >= 0], [1, -1]
    pairs = list(itertools.product(sorted(activations), levels))
    # Every input has an order of its own: what is wrong in one does not cancel out.
    orders = [source.sample(pairs, len(pairs)) for _ in range(model.INPUTS)]
    steps = [
        [(a, sign * b) for a, b in step] for step in zip(*orders, strict=True) for sign in signs
    ]
    await run(dut, (make(source, [step]) for step in steps), gaps=0.05)


@cocotb.test()
async def random_sums(dut: Any) -> None:
    """Long sums, half of the cycles idle and full of garbage."""
    source = random.Random(2)

    def step() -> list[tuple[int, int]]:
        return [(source.randint(model.LOW, model.HIGH), w) for w in random_weights(source)]

    sums = (make(source, [step() for _ in range(source.randint(1, 20))]) for _ in range(40))
    await run(dut, sums, gaps=0.5)


def random_weights(source: random.Random) -> list[int]:
    """Weights of a step, of one sign if they share it."""
    levels = model.LEVELS
    if model.SHARED_SIGN:
        sign = source.choice((-1, 1))
        levels = [level for level in levels if level * sign >= 0]
    return [source.choice(levels) for _ in range(model.INPUTS)]


def make(source: random.Random, steps: list[list[tuple[int, int]]]) -> Sum:
    """The sum of these pairs of activation and weight, with a bias if the core takes one."""
    x = [[a for a, _ in step] for step in steps]
    w = [[b for _, b in step] for step in steps]
    bias = any_bias(source)
    return Sum(x, w, bias, model.total(x, w, bias))


async def run(dut: Any, sums: Iterable[Sum], *, gaps: float) -> None:
    """Feed ``sums`` and compare ``o_sum`` in each cycle in which it is defined."""
    source = random.Random(3)
    cycles = list(traffic(source, sums, gaps))
    rest = [garbage(source) for _ in range(model.LATENCY)]
    expected: list[int | None] = [None] * model.LATENCY
    for cycle in cycles:
        expected.append(cycle.total if cycle.enable else expected[-1])
    await reset(dut)
    biases = [0] * (model.LATENCY - 1) + [cycle.bias for cycle in cycles] + [0]
    for t, (cycle, bias, want) in enumerate(
        zip(cycles + rest, biases, expected, strict=True)
    ):
        drive(dut, cycle, bias)
        if want is not None:
            got = dut.o_sum.value.to_signed()
            assert got == want, f"Sum in cycle {t} must be {want}, not {got}"
        await FallingEdge(dut.clk)


def traffic(source: random.Random, sums: Iterable[Sum], gaps: float) -> Iterator[Cycle]:
    """The cycles of ``sums``, before each of them gaps with this probability."""
    for one in sums:
        for k, (x, w) in enumerate(zip(one.x, one.w, strict=True)):
            packed = model.pack_activations(x), model.pack_weights(w)
            for phase in range(model.INTERVAL):
                while source.random() < gaps:
                    yield garbage(source)
                start = k == phase == 0
                end = (k, phase) == (len(one.x) - 1, model.INTERVAL - 1)
                bias = one.bias if start else any_bias(source)
                yield Cycle(*packed, 1, k == 0, phase, bias, one.total if end else None)


def garbage(source: random.Random) -> Cycle:
    """A cycle without the enable, and with anything else."""
    x = source.getrandbits(model.INPUTS * model.CORE["activation_bits"])
    w = source.getrandbits(model.WEIGHT_BITS)
    phase = source.randrange(model.INTERVAL)
    return Cycle(x, w, 0, source.randrange(2), phase, any_bias(source))


def any_bias(source: random.Random) -> int:
    """Any value that ``i_bias`` can have; 0 without that port."""
    return model.wrapped(source.getrandbits(model.CORE["accumulator_bits"])) if BIAS else 0


async def reset(dut: Any) -> None:
    """Start the clock and hold the reset over one edge of it."""
    drive(dut, Cycle(0, 0, 0, 0, 0, 0), 0)
    dut.rst.value = 1
    Clock(dut.clk, 10, "ns").start()
    await FallingEdge(dut.clk)
    dut.rst.value = 0


def drive(dut: Any, cycle: Cycle, bias: int) -> None:
    """Put a cycle on the ports, and the bias that is due in it."""
    dut.i_x.value = cycle.x
    dut.i_w.value = cycle.w
    dut.i_en.value = cycle.enable
    dut.i_first.value = cycle.first
    if SERIAL:
        dut.i_phase.value = cycle.phase
    if BIAS:
        dut.i_bias.value = bias
