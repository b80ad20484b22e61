"""How wide the accumulator of a core must be: for any step, or for the weights of a file."""

from pathlib import Path

import numpy as np

from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.network.bounds import sum_bound
from nhot_hw.lanes import LaneSpec
from nhot_hw.lanes.register import bits_for

__all__ = ["check_step", "proved_bits", "steps_that_fit"]

_LEAST = 8  # that a lane takes


def check_step(spec: LaneSpec) -> None:
    """Refuse an accumulator that overflows in a single step of some weights."""
    needed = bits_for(_step(spec))
    if spec.accumulator_bits < needed:
        raise NhotError(
            f"Accumulator must have at least {needed} bits, which one step of {spec.inputs} "
            f"products can take, not {spec.accumulator_bits}"
        )


def steps_that_fit(spec: LaneSpec) -> int:
    """Steps whose sum, begun at 0, fits the accumulator whatever weights and activations are."""
    low, high = map(int, _step(spec))
    most = 1 << spec.accumulator_bits - 1
    fits = [(most - 1) // high] if high > 0 else []
    return min([*fits, most // -low] if low < 0 else fits)


def proved_bits(path: Path, spec: LaneSpec) -> tuple[int, int]:
    """Bits that hold the sums of all filters in a file, whatever the activations are.

    Both as the lane leaves them and with what they lack made up for; channels are filled up with
    zeros to whole steps. Sums may wrap on the way.

    Parameters
    ----------
    path : Path
        A network that nhot wrote, or an array (filters, ..., channels) of integers (.npy).
    spec : LaneSpec
        Every weight must be a level of its format, up to a sign that the format folds away.

    Returns
    -------
    (int, int)
        Bits, and how many filters there are.
    """
    ends, filters = [], 0
    for name, weights in _read(path):
        try:
            levels, _ = spec.format.fold_signs(weights)
            missing = spec.format.inverted_terms(_steps(levels, spec.inputs)).sum(axis=1)
        except NhotError as error:
            raise NhotError(f"{name}: {error}") from None
        low, high = sum_bound(levels, *spec.activation_range)
        ends += [low, high, low - missing, high - missing]
        filters += len(levels)
    return max(_LEAST, bits_for(np.concatenate(ends))), filters


def _step(spec: LaneSpec) -> Ints:
    """The least and the greatest that one step adds."""
    steps = np.repeat(spec.format.levels[:, None], spec.inputs, axis=1)
    missing = spec.format.inverted_terms(steps)
    ends = np.concatenate([steps.sum(axis=1) * end - missing for end in spec.activation_range])
    return np.array([ends.min(), ends.max()])


def _steps(levels: Ints, inputs: int) -> Ints:
    """Weights (filters, ..., channels) as a lane of so many inputs takes them: (filters, K, S)."""
    flat = levels.reshape(len(levels), -1, levels.shape[-1])
    filled = np.pad(flat, ((0, 0), (0, 0), (0, -flat.shape[-1] % inputs)))
    return filled.reshape(len(levels), -1, inputs)


def _read(path: Path) -> list[tuple[str, Ints]]:
    """Name and weights (filters, ...) of each layer in a file."""
    from nhot.arrays import read_npy
    from nhot.filetype import expect, identify
    from nhot.network.file import load
    from nhot.network.operators import Filters

    expect(path, "network", "array")
    found = identify(path)
    if found is not None and found.kind == "network":
        nodes = [node for node in load(path).nodes if isinstance(node, Filters)]
        if not nodes:
            raise NhotError(f"Network {str(path)!r} must have a layer with weights")
        return [(f"Layer {node.name!r}", node.weights) for node in nodes]
    weights = read_npy(path, "Weights")
    if weights.dtype.kind not in "iu" or weights.ndim < 2 or not weights.size:
        raise NhotError(
            f"Weights {str(path)!r} must be integers, filters along the first of at least two "
            f"axes, not {weights.dtype} of shape {weights.shape}"
        )
    return [(f"Weights {str(path)!r}", weights)]
