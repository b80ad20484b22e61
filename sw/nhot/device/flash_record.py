"""A network in a flash: what a host would say to load it, as one record; ``docs/protocol.md``.

The gateware that loads an engine from a flash takes its numbers from here.
"""

from __future__ import annotations

import struct
import zlib

from nhot.compiler.image import Image
from nhot.contract.config import EngineConfig
from nhot.contract.program import Region
from nhot.device import cobs
from nhot.device.areas import image_areas
from nhot.device.protocol import HEADER_BYTES, MAX_PAYLOAD

__all__ = ["HEADER", "MAGIC", "flash_record", "length_bits", "longest_frames"]

MAGIC = b"NHFL"

#: Magic, target id and the length of the frames; behind them a CRC-32 of all before.
HEADER = struct.Struct("<4sII")

_CRC_BYTES = 4


def flash_record(image: Image) -> bytes:
    """The record of ``image``: header, the frames of its writes, CRC-32.

    The frame with the first word of the program is the last one: an engine that has not seen it
    has a program that ends at once.
    """
    areas = {area.region: area for area in image_areas(image)}
    requests = [
        *areas[Region.WEIGHTS].requests(), *areas[Region.REQUANT].requests(),
        *reversed(areas[Region.PROGRAM].requests()),
    ]
    frames = b"".join(request.to_bytes() for request in requests)
    body = HEADER.pack(MAGIC, image.config.target_id, len(frames)) + frames
    return body + zlib.crc32(body).to_bytes(_CRC_BYTES, "little")


def length_bits(config: EngineConfig) -> int:
    """Bits that hold the length of the frames of any image for an engine.

    More than that is no record, however sound: a board reads for a bounded time.
    """
    return longest_frames(config).bit_length()


def longest_frames(config: EngineConfig) -> int:
    """The most bytes that the frames of an image for an engine take: no byte of it is zero."""
    sizes = (
        (config.program_words, 4), (config.requant_words, 4 * config.requantisers),
        (config.weight_words, config.code_bytes),
    )
    total = 0
    for depth, word in sizes:
        whole, rest = divmod(depth * word, MAX_PAYLOAD // word * word)
        total += whole * _longest(MAX_PAYLOAD // word * word) + (_longest(rest) if rest else 0)
    return total


def _longest(payload: int) -> int:
    """The most bytes of a frame: stuffed, with its delimiter."""
    return len(cobs.encode(b"\1" * (HEADER_BYTES + payload + _CRC_BYTES))) + 1
