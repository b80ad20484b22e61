"""Golden vectors: what a core is fed, and what its reference makes of it."""

from dataclasses import replace
from typing import Any

import numpy as np

from nhot.formats.format import Ints
from nhot.testing.networks import random_steps
from nhot_hw.lanes import LaneSpec

__all__ = ["array_vectors", "lane_vectors", "wrapped_sum"]

_SUMS, _STEPS = 40, 6


def lane_vectors(spec: LaneSpec) -> list[dict[str, Any]]:
    """Sums of one to six steps, extremes first, as plain data.

    ``x`` and ``w`` (K, S) are activations and weights, ``bias`` is 0 without a port for it, ``sum``
    is what ``o_sum`` then holds. The same vectors for the same lane, on every machine.
    """
    rng = np.random.default_rng(1)
    low, high = spec.activation_range
    levels = spec.format.levels
    one = np.ones((1, spec.inputs), dtype=np.int64)
    pairs = [(one * x, one * w) for x in (low, high) for w in (levels[0], levels[-1])]
    for _ in range(_SUMS):
        shape = (int(rng.integers(1, _STEPS + 1)), spec.inputs)
        pairs.append((rng.integers(low, high + 1, shape), random_steps(rng, spec.format, shape)))
    vectors = []
    for x, w in pairs:
        bias = _bias(spec, rng)
        vectors.append({
            "x": x.tolist(), "w": w.tolist(), "bias": bias, "sum": wrapped_sum(spec, x, w, bias)
        })
    return vectors


def array_vectors(
    spec: LaneSpec, *, pixels: int, filters: int, words: int
) -> tuple[Ints, list[dict[str, Any]]]:
    """Words of weights for the memory, and sums that read them, as plain data.

    The weights (words, P, S) begin with the extremes. Of a sum ``x`` (K, T, S) are activations,
    ``words`` (K) the addresses of its weights, ``bias`` (P) is 0 without a port for it, and ``sum``
    (T, P) is what ``o_sum`` then holds.
    """
    rng = np.random.default_rng(1)
    low, high = spec.activation_range
    weights = random_steps(rng, spec.format, (words, filters, spec.inputs))
    weights[0], weights[-1] = spec.format.levels[0], spec.format.levels[-1]
    vectors = []
    for k in range(_SUMS):
        steps = int(rng.integers(1, _STEPS + 1))
        x = rng.integers(low, high + 1, (steps, pixels, spec.inputs))
        addresses = rng.integers(0, words, steps)
        if k < 4:  # extremes
            x[:] = low if k < 2 else high
            addresses[:] = -(k % 2) % words
        bias = [_bias(spec, rng) for _ in range(filters)]
        sums = [
            [wrapped_sum(spec, x[:, t], weights[addresses, p], bias[p]) for p in range(filters)]
            for t in range(pixels)
        ]
        vectors.append({
            "x": x.tolist(), "words": addresses.tolist(), "bias": bias, "sum": sums,
        })
    return weights, vectors


def wrapped_sum(spec: LaneSpec, x: Ints, w: Ints, bias: int = 0) -> int:
    """What ``o_sum`` holds, whether or not it fits: :meth:`LaneSpec.compute` modulo 2^bits."""
    half = 1 << spec.accumulator_bits - 1
    total = replace(spec, accumulator_bits=64).compute(x, w, bias)
    return (total + half) % (2 * half) - half


def _bias(spec: LaneSpec, rng: np.random.Generator) -> int:
    """Within an eighth of the accumulator, so that most sums do fit."""
    most = 1 << spec.accumulator_bits - 3
    return int(rng.integers(-most, most)) if spec.bias else 0
