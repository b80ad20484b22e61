"""What a lane is fed cycle by cycle, and what it must answer: for any simulator."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from nhot.formats.format import Ints
from nhot.testing.networks import random_steps
from nhot_hw.lanes import LaneSpec

__all__ = ["Cycle", "Sum", "biases", "expected", "random_sums", "traffic"]

Sum = tuple[Ints, Ints]
"""Activations and weights (levels) of one sum, (K, S) each."""


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """The inputs of a lane in one cycle, and the sum that this cycle completes, if any.

    ``bias`` is due when the others reach the accumulator: see :func:`biases`.
    """

    x: tuple[int, ...]
    w: int
    enable: bool
    first: bool
    phase: int
    bias: int = 0
    total: int | None = None


def traffic(
    spec: LaneSpec, sums: Iterable[Sum], rng: np.random.Generator, *, gaps: float
) -> Iterator[Cycle]:
    """Cycles that bring ``sums`` into a lane, with idle cycles full of garbage in between.

    ``gaps`` is the probability of an idle cycle, before each phase of each step. Each sum has a
    bias of its own, where the lane has one.
    """
    for x, w in sums:
        bias = _any_bias(spec, rng)
        total = spec.compute(x, w, bias)
        for k, phase in np.ndindex(len(x), spec.ii):
            while rng.random() < gaps:
                yield _garbage(spec, rng)
            yield Cycle(
                x=tuple(int(value) for value in x[k]), w=spec.pack(w[k]),
                enable=True, first=k == 0, phase=phase,
                bias=bias if (k, phase) == (0, 0) else _any_bias(spec, rng),
                total=total if (k, phase) == (len(x) - 1, spec.ii - 1) else None,
            )


def expected(spec: LaneSpec, cycles: list[Cycle]) -> list[int | None]:
    """What ``o_sum`` must be in each cycle and ``latency`` cycles on; None: it may be anything.

    A sum is there ``latency`` cycles after its last enabled cycle and stays until the same time
    after the next enabled one.
    """
    values: list[int | None] = [None] * spec.latency
    for cycle in cycles:
        values.append(cycle.total if cycle.enable else values[-1])
    return values


def biases(spec: LaneSpec, cycles: list[Cycle]) -> list[int]:
    """``i_bias`` in each cycle and ``latency`` cycles on."""
    return [0] * (spec.latency - 1) + [cycle.bias for cycle in cycles] + [0]


def random_sums(
    spec: LaneSpec, rng: np.random.Generator, *, count: int, steps: int
) -> Iterator[Sum]:
    """Sums of 1 to ``steps`` steps; the first two are the extremes, one step each."""
    low, high = spec.activation_range
    levels = spec.format.levels
    one = np.ones((1, spec.inputs), dtype=np.int64)
    yield one * low, one * levels[0]
    yield one * low, one * levels[-1]
    for _ in range(count):
        shape = (int(rng.integers(1, steps + 1)), spec.inputs)
        yield rng.integers(low, high + 1, shape), random_steps(rng, spec.format, shape)


def _garbage(spec: LaneSpec, rng: np.random.Generator) -> Cycle:
    low, high = spec.activation_range
    bits = spec.weight_bits
    return Cycle(
        x=tuple(int(value) for value in rng.integers(low, high + 1, spec.inputs)),
        w=int.from_bytes(rng.bytes((bits + 7) // 8), "little") & (1 << bits) - 1,
        enable=False, first=bool(rng.integers(2)), phase=int(rng.integers(spec.ii)),
        bias=_any_bias(spec, rng),
    )


def _any_bias(spec: LaneSpec, rng: np.random.Generator) -> int:
    """Within a quarter of the accumulator, which leaves room for the products; 0 without one."""
    most = 1 << spec.accumulator_bits - 3
    return int(rng.integers(-most, most)) if spec.bias else 0
