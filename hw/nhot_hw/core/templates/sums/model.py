"""A model of the core: its sums, and how activations and weights go onto its ports.

Plain Python without any package. All numbers of the core come from core.json.
"""

import json
from collections.abc import Sequence
from pathlib import Path

CORE = json.loads(Path(__file__).with_name("core.json").read_text(encoding="utf-8"))

INPUTS: int = CORE["inputs"]
LEVELS: list[int] = CORE["levels"]
LOW = -(1 << CORE["activation_bits"] - 1) if CORE["activation_signed"] else 0
HIGH = LOW + (1 << CORE["activation_bits"]) - 1
LATENCY: int = CORE["latency"]
INTERVAL: int = CORE["interval"]

SHARED_SIGN: bool = CORE["shared_sign"]
WEIGHT_BITS: int = (INPUTS + SHARED_SIGN) * CORE["field_bits"]

_FIELDS = dict(zip(LEVELS, CORE["fields"], strict=True))
_MISSING = dict(zip(LEVELS, CORE["missing"], strict=True))


def pack_activations(x: Sequence[int]) -> int:
    """``i_x`` of one step: INPUTS activations, LOW to HIGH each."""
    _check(x, "activations", range(LOW, HIGH + 1))
    return _concatenate(x, CORE["activation_bits"])


def pack_weights(w: Sequence[int]) -> int:
    """``i_w`` of one step: INPUTS weights, each of LEVELS, and behind them a sign they share."""
    _check(w, "weights", _FIELDS)
    fields = [_FIELDS[level] for level in w]
    if SHARED_SIGN:
        if min(w) < 0 < max(w):
            raise ValueError(f"Weights of a step must have one sign, not {w!r}")
        fields.append(int(min(w) < 0))
    return _concatenate(fields, CORE["field_bits"])


def pack_word(words: Sequence[Sequence[int]]) -> int:
    """A word of an array's weight memory: the weights of a step of each filter."""
    return sum(pack_weights(w) << i * WEIGHT_BITS for i, w in enumerate(words))


def missing(w: Sequence[Sequence[int]]) -> int:
    """What the sum of these weights, step by step, lacks whatever the activations are.

    The core adds ``~x`` for ``-x``, which is one less. Begin the sum at this number, or add it to
    the bias that is added behind the core; for given weights it is a constant.
    """
    # Where a step has one sign, its sum is inverted as a whole.
    each = max if SHARED_SIGN else sum
    return sum(each(_MISSING[level] for level in step) for step in w)


def total(x: Sequence[Sequence[int]], w: Sequence[Sequence[int]], bias: int = 0) -> int:
    """``o_sum`` after these steps, wrapped to its bits: ``bias + sum(x * w) - missing(w)``."""
    products = (a * b for xs, ws in zip(x, w, strict=True) for a, b in zip(xs, ws, strict=True))
    return wrapped(bias + sum(products) - missing(w))


def wrapped(value: int) -> int:
    """``value`` as a signed number of the accumulator's bits holds it."""
    half = 1 << CORE["accumulator_bits"] - 1
    return (value + half) % (2 * half) - half


def _check(values: Sequence[int], what: str, allowed: object) -> None:
    if len(values) != INPUTS or any(value not in allowed for value in values):
        raise ValueError(f"A step must have {INPUTS} {what} that the core takes, not {values!r}")


def _concatenate(values: Sequence[int], bits: int) -> int:
    return sum((value & (1 << bits) - 1) << i * bits for i, value in enumerate(values))
