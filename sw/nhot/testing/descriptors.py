"""Descriptors of every operation, each with the image that it is from, and how one is judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nhot.compiler import EngineConfig, Image, compile_network
from nhot.compiler.validate import check_program
from nhot.contract.program import Descriptor, Operation, unpack_program
from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.testing.depthwise import depthwise_network
from nhot.testing.engine_networks import sample_network
from nhot.testing.networks import OPERATORS, random_network

__all__ = ["END", "images", "IMAGES", "judged", "on_lanes", "refused", "ROOM", "STEPS"]

ROOM = 1024  # words of activations, more than any of the networks needs
END = Descriptor(operation=Operation.END).pack()


def images() -> Iterator[Image]:
    """Programs with every operation, on arrays wider, as wide and narrower than a word."""
    for filters, inputs, requantisers, pixels in (
        (4, 4, 2, 2), (8, 2, 1, 1), (2, 8, 2, 3), (16, 4, 4, 1),
    ):
        config = EngineConfig(
            filters=filters, inputs=inputs, requantisers=requantisers, pixels=pixels,
            activation_words=ROOM, weight_words=2048, requant_words=1024,
        )
        yield compile_network(sample_network("2hot"), config)
        for seed in range(3):
            made = random_network(seed, layers=6, operators=OPERATORS)
            yield compile_network(made, replace(config, accumulator_bits=32, product_bits=64))
    for seed, pixels in enumerate((1, 1, 2, 3)):
        config = EngineConfig(
            filters=9, inputs=9, requantisers=3, depthwise=True, activation_words=ROOM,
            weight_words=64, pixels=pixels,
        )
        stride = (1, 1) if pixels == 3 else (1, 2)
        rng = np.random.default_rng(seed)
        made = depthwise_network(rng, config, channels=12, stride=stride)
        yield compile_network(made, config)


IMAGES = list(images())
STEPS = [
    (image, step) for image in IMAGES for step in unpack_program(image.program)[:-1]
]


def judged(
    image: Image, step: Descriptor, *, weights: int | None = None, records: Ints | None = None,
    **changes: Any,
) -> None:
    """Raise what the step is refused for, alone in a program; None if it is not."""
    check_program(
        replace(step, **changes).pack() + END, image.config,
        weights=len(image.weight_levels()) if weights is None else weights,
        records=image.records() if records is None else records,
    )


def refused(text: str, *args: Any, **changes: Any) -> None:
    """It must be, and for what ``text`` says of the first descriptor, a pattern."""
    with pytest.raises(NhotError, match=f"^descriptor 0 {text}$"):
        judged(*args, **changes)


def on_lanes(operation: Operation) -> list[tuple[Image, Descriptor]]:
    """The steps of one operation."""
    return [(image, step) for image, step in STEPS if step.operation is operation]
