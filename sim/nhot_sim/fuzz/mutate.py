"""Small damage: to bytes, and to the values of JSON."""

from __future__ import annotations

import json
import random
import struct
from copy import deepcopy
from typing import Any

__all__ = ["damage", "damage_json", "damage_values"]

EXTREMES: tuple[Any, ...] = (
    0, 1, -1, 2, 127, 128, 255, 256, -128, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1,
    10**8, 2**63, 2**64, 10**30, -(10**30), 0.5, -0.0, 1e-320, 1e308, float("nan"), float("inf"),
    True, False, None, "", "x", "2hot", "\x1b[31mred", "\u202e", "\ud800", "a\nb", "../x",
    "x" * 999,
    [], {}, [0], [1] * 99, {"a": 1}, [[]], "1", "NaN",
)
_WORDS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)


def damage(data: bytes, source: random.Random) -> bytes:
    """One to three changes: bits, bytes, words, holes, copies, ends."""
    changed = bytearray(data)
    for _ in range(source.randint(1, 3)):
        at = source.randrange(len(changed) + 1)
        size = source.choice([1, 1, 2, 4, 8, source.randint(1, 64)])
        match source.randrange(7):
            case 0 if at < len(changed):
                changed[at] ^= 1 << source.randrange(8)
            case 1 if at < len(changed):
                changed[at] = source.choice([0, 255, source.randrange(256)])
            case 2:
                word = struct.pack(source.choice(["<I", ">I"]), source.choice(_WORDS))
                changed[at : at + 4] = word
            case 3:
                del changed[at : at + size]
            case 4:
                changed[at:at] = source.randbytes(size)
            case 5:
                start = source.randrange(len(changed) + 1)
                changed[at:at] = changed[start : start + size]
            case 6 if source.random() < 0.2:
                del changed[at:]
    return bytes(changed)


def damage_json(data: bytes, source: random.Random) -> bytes:
    """JSON with a value or two replaced, lost, renamed or doubled; now and then damaged text."""
    if source.random() < 0.1:
        return damage(data, source)
    if source.random() < 0.02:
        depth = source.choice([10, 1000, 100_000])
        return b"[" * depth + b"]" * source.choice([0, depth])
    values = damage_values(json.loads(data), source)
    return json.dumps(values, ensure_ascii=source.random() < 0.5).encode(errors="surrogatepass")


def damage_values(values: Any, source: random.Random) -> Any:
    """A copy of JSON-like ``values`` with a change or two."""
    changed = json.loads(json.dumps(values))
    for _ in range(source.choice([1, 1, 2])):
        holders = _holders(changed)
        if not holders or source.random() < 0.01:
            return deepcopy(source.choice(EXTREMES))
        _change(source.choice(holders), source)
    return changed


def _holders(values: Any) -> list[Any]:
    """Every object and array that is not empty."""
    found: list[Any] = []
    waiting = [values]
    while waiting:
        value = waiting.pop()
        if value and isinstance(value, dict | list):
            found.append(value)
            waiting += value.values() if isinstance(value, dict) else value
    return found


def _change(holder: Any, source: random.Random) -> None:
    keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
    key = source.choice(keys)
    value = holder[key]
    match source.randrange(8):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[source.choice(["x", "", "\x1b[2J", key + " "])] = holder.pop(key)
        case 1 | 2:
            other = source.choice(keys)
            holder[key], holder[other] = holder[other], value
        case 3 if type(value) in (int, float):
            holder[key] = value + source.choice([-1, 1, 0.5, 1000])
        case 4 if type(value) in (int, float):
            holder[key] = -value
        case 5 if isinstance(value, list):
            holder[key] = value * source.choice([0, 2, 9])
        case 6 if isinstance(holder, list):
            holder.append(value)
        case _:
            holder[key] = deepcopy(source.choice(EXTREMES))  # the next change may reach into it
