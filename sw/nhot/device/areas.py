"""What loading an image writes, and what must then be read back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nhot.compiler.image import Image
from nhot.contract.config import EngineConfig
from nhot.contract.program import MAX_PAYLOAD, Region
from nhot.device.protocol import Opcode, Request
from nhot.errors import MismatchError

__all__ = ["Area", "image_areas", "read_requests", "wipe_requests", "write_requests"]


@dataclass(frozen=True, kw_only=True)
class Area:
    """The words of a region from its first on, in the two forms that frames know.

    Parameters
    ----------
    region : Region
    data : bytes
        As it is written, in words of ``word`` bytes.
    stored : bytes
        As it is read back, in words of ``stored_word`` bytes.
    """

    region: Region
    word: int
    data: bytes
    stored_word: int
    stored: bytes

    def requests(self) -> list[Request]:
        """What writes it."""
        return write_requests(self.region, 0, self.word, self.data)

    def compare(self, read: bytes) -> None:
        """Refuse what was read if it is not :attr:`stored`; the text names the first word."""
        if read == self.stored:
            return
        pairs = zip(self.stored, read, strict=True)
        word = next(i for i, (a, b) in enumerate(pairs) if a != b) // self.stored_word
        part = slice(word * self.stored_word, (word + 1) * self.stored_word)
        raise MismatchError(
            f"Board's {self.region.name.lower()} must hold {self.stored[part].hex()} in word "
            f"{word}, not {read[part].hex()}"
        )


def image_areas(image: Image) -> list[Area]:
    """All that an image writes. Weights go as dense codes and come back as the lanes' fields."""
    config = image.config
    size = config.field_bytes // config.word_codes
    raw = image.weight_fields().reshape(-1, 1).astype("<u8").view(np.uint8)[:, :size]
    record = 4 * config.requantisers
    return [
        Area(region=region, word=word, data=data, stored_word=stored_word, stored=stored)
        for region, word, data, stored_word, stored in (
            (Region.PROGRAM, 4, image.program, 4, image.program),
            (Region.REQUANT, record, image.requant, record, image.requant),
            (Region.WEIGHTS, config.code_bytes, image.weights, config.field_bytes, raw.tobytes()),
        )
    ]


def write_requests(region: Region, address: int, word: int, data: bytes) -> list[Request]:
    """What writes ``data`` from word ``address`` on, in frames of whole words of ``word`` bytes."""
    size = MAX_PAYLOAD // word * word
    return [
        Request(
            opcode=Opcode.WRITE, region=region, address=address + start // word,
            length=len(data[start : start + size]), payload=data[start : start + size],
        )
        for start in range(0, len(data), size)
    ]


def wipe_requests(config: EngineConfig) -> list[Request]:
    """What writes zeros to every word of every memory of an engine that a host can write."""
    sizes = (
        (Region.PROGRAM, 4, config.program_words),
        (Region.REQUANT, 4 * config.requantisers, config.requant_words),
        (Region.WEIGHTS, config.code_bytes, config.weight_words),
        (Region.ACTIVATIONS, config.inputs, config.activation_words),
    )
    return [
        request for region, word, depth in sizes
        for request in write_requests(region, 0, word, bytes(word * depth))
    ]


def read_requests(region: Region, address: int, word: int, length: int) -> list[Request]:
    """What reads ``length`` bytes from word ``address`` on, in frames of whole words."""
    size = MAX_PAYLOAD // word * word
    return [
        Request(
            opcode=Opcode.READ, region=region, address=address + start // word,
            length=min(size, length - start),
        )
        for start in range(0, length, size)
    ]
