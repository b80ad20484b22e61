"""Engines of all kinds for a board, drawn at random: what estimates are fitted to."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Any

from nhot.contract.config import EngineConfig
from nhot.errors import NhotError

__all__ = ["drawn"]

_SIZES: dict[str, dict[str, tuple[Any, ...]]] = {
    "ecp5": {
        "pixels": (1, 1, 2, 4), "filters": (4, 8, 16, 32), "inputs": (4, 8, 16),
        "requantisers": (1, 2, 4, 8, 16), "requant_terms": (1, 2, 4),
        "depthwise": (False, False, True),
        "accumulator_bits": (20, 24, 28), "product_bits": (40, 48),
        "activation_words": (512, 2048, 6912, 8192), "weight_words": (64, 256, 1024),
        "requant_words": (64, 256, 512), "program_words": (256, 512),
    },
    "ice40": {
        "pixels": (1, 1, 2), "filters": (1, 2, 4, 8), "inputs": (1, 2, 4, 8),
        "requantisers": (1, 1, 2), "requant_terms": (1, 1, 2),
        "depthwise": (False,),
        "accumulator_bits": (18, 20, 22, 24), "product_bits": (32, 40),
        "activation_words": (256, 512, 1024), "weight_words": (256, 512),
        "requant_words": (256,), "program_words": (256,),
    },
}

# Each kind of lane as often as another.
_LANES = (
    *(("parallel", name) for name in ("1hot", "2hot", "3hot", "ternary", "signed-binary",
                                      "signed-binary/16", "int4", "int8")),
    *(("chain", name) for name in ("1hot", "2hot", "3hot", "signed-binary", "signed-binary/16")),
    ("serial", "2hot"),
)

# Lanes that fill a part say little that half of it would not, and take Yosys much longer.
_MOST_MACS = {"ecp5": 256, "ice40": 32}


def drawn(family: str, count: int, *, seed: int = 0) -> list[EngineConfig]:
    """The first ``count`` engines of a sequence, the same ones on every machine."""
    return list(islice(_draws(family, Random(seed)), count))


def _draws(family: str, random: Random) -> Iterator[EngineConfig]:
    sizes = _SIZES[family]
    while True:
        lane, name = random.choice(_LANES)
        chosen = {size: random.choice(values) for size, values in sizes.items()}
        if chosen["depthwise"]:
            chosen |= dict.fromkeys(("filters", "inputs"), 16)
        try:
            config = EngineConfig(lane=lane, format=name, **chosen)
        except NhotError:
            continue
        if config.macs <= _MOST_MACS[family]:
            yield config
