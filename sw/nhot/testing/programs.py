"""Programs that no compiler made, from a seed: an engine must end each, whatever it says."""

from __future__ import annotations

import random

from nhot.contract.program import DESCRIPTOR_WORDS, FIELDS, WORDS, Descriptor, Operation

__all__ = ["near", "noise"]


def noise(source: random.Random) -> bytes:
    """Nothing but random bits, in which hardly any descriptor is legal."""
    return source.randbytes(4 * DESCRIPTOR_WORDS * source.randrange(1, 6))


def near(source: random.Random) -> bytes:
    """A few legal layers with some fields at random: these get as far as the loops.

    Half of them have loops that take longer than any limit.
    """
    steps = []
    for _ in range(source.randrange(1, 4)):
        long = {"last_row": 1000, "last_column": 1000}
        long |= {"stride_x": 0, "stride_y": 0, "pixel_words": 0}
        operation = source.choice(list(Operation)[1:])
        step = Descriptor(operation=operation, **source.choice([{}, long])).pack()
        word = bytearray(step)
        for name in source.sample(sorted(FIELDS), source.choice([1, 2, 5])):
            position, width = _place(name)
            old = int.from_bytes(word, "little")
            mask = ((1 << width) - 1) << position
            value = source.choice([0, 1, (1 << width) - 1, source.getrandbits(width)])
            word = bytearray((old & ~mask | value << position).to_bytes(len(word), "little"))
        steps.append(bytes(word))
    end = [Descriptor(operation=Operation.END).pack()] if source.random() < 0.7 else []
    return b"".join(steps + end)


def _place(name: str) -> tuple[int, int]:
    """First bit of a field in its descriptor, and its width."""
    for index, word in enumerate(WORDS):
        position = 32 * index
        for field, width in word.items():
            if field == name:
                return position, width
            position += width
    raise KeyError(name)
