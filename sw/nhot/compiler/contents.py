"""An image as the words of each memory."""

from __future__ import annotations

from nhot.compiler.image import Image
from nhot.contract.contents import Contents

__all__ = ["image_contents"]


def image_contents(image: Image) -> Contents:
    """What ``image`` fills the memories with."""
    config = image.config
    records = _words(image.requant, 4 * config.requantisers)
    bits = config.weight_format.field_bits
    return Contents(
        program=_words(image.program, 4), biases=records[::2], terms=records[1::2],
        weights=tuple(
            sum(int(field) << i * bits for i, field in enumerate(word))
            for word in image.weight_fields().reshape(-1, config.word_codes)
        ),
    )


def _words(data: bytes, size: int) -> tuple[int, ...]:
    return tuple(
        int.from_bytes(data[at : at + size], "little") for at in range(0, len(data), size)
    )
