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

_FIELDS = dict(zip(LEVELS, CORE["fields"], strict=True))
_MISSING = dict(zip(LEVELS, CORE["missing"], strict=True))


def pack_activations(x: Sequence[int]) -> int:
    """``i_x`` of one step: INPUTS activations, LOW to HIGH each."""
    _check(x, "activations", range(LOW, HIGH + 1))
    return _concatenate(x, CORE["activation_bits"])


def pack_weights(w: Sequence[int]) -> int:
    """``i_w`` of one step: INPUTS weights, each of LEVELS."""
    _check(w, "weights", _FIELDS)
    return _concatenate([_FIELDS[level] for level in w], CORE["field_bits"])


def missing(w: Sequence[Sequence[int]]) -> int:
    """What the sum of these weights, step by step, lacks whatever the activations are.

    The core adds ``~x`` for ``-x``, which is one less. Begin the sum at this number, or add it to
    the bias that is added behind the core; for given weights it is a constant.
    """
    return sum(_MISSING[level] for step in w for level in step)


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
