"""Golden vectors: what a core is fed, and what its reference makes of it."""

from dataclasses import replace
from typing import Any

import numpy as np

from nhot.formats.format import Ints
from nhot_hw.lanes import LaneSpec

__all__ = ["lane_vectors", "wrapped_sum"]

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
        pairs.append((rng.integers(low, high + 1, shape), rng.choice(levels, shape)))
    return [_vector(spec, x, w, rng) for x, w in pairs]


def wrapped_sum(spec: LaneSpec, x: Ints, w: Ints, bias: int = 0) -> int:
    """What ``o_sum`` holds, whether or not it fits: :meth:`LaneSpec.compute` modulo 2^bits."""
    half = 1 << spec.accumulator_bits - 1
    total = replace(spec, accumulator_bits=64).compute(x, w, bias)
    return (total + half) % (2 * half) - half


def _vector(spec: LaneSpec, x: Ints, w: Ints, rng: np.random.Generator) -> dict[str, Any]:
    half = 1 << spec.accumulator_bits - 1
    # Within a quarter of the accumulator, so that most sums do fit.
    bias = int(rng.integers(-half // 4, half // 4)) if spec.bias else 0
    return {
        "x": x.tolist(), "w": w.tolist(), "bias": bias, "sum": wrapped_sum(spec, x, w, bias)
    }
