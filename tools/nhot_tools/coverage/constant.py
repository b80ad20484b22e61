"""Bits of an engine's signals that are constant by its sizes: no run could change them.

They follow from the engine's configuration by the functions that the gateware itself is made with.
"""

from __future__ import annotations

from collections.abc import Iterator

from nhot.contract.config import EngineConfig
from nhot.contract.memories import timing_words
from nhot.contract.program import DESCRIPTOR_WORDS, WORDS, Region
from nhot_hw.engine.descriptor import kept
from nhot_hw.engine.loader import word_bytes

__all__ = ["constant_bits"]


def constant_bits(config: EngineConfig) -> frozenset[str]:
    """Ends of the names of the bits: ``descriptor.last_column[14]``, ``word_3[12]``."""
    return frozenset([*_descriptor(config), *_words(config), *_addresses(config)])


def _descriptor(config: EngineConfig) -> Iterator[str]:
    """What an engine does not keep of a descriptor; distances have their sign there."""
    for index in range(DESCRIPTOR_WORDS):
        mask, position = kept(index, config), 0
        for name, width in WORDS[index].items():
            for bit in range(width):
                if not mask >> position & 1:
                    yield f"word_{index}[{position}]"
                    if not name.startswith("jump") and name != "input_address":
                        yield f"descriptor.{name}[{bit}]"
                        if name != "terms":  # a requantiser's are those of a record
                            yield f"i_{name}[{bit}]"
                position += 1
        yield from (f"word_{index}[{bit}]" for bit in range(position, 32))


def _words(config: EngineConfig) -> Iterator[str]:
    """Words of all memories stand in as many bits as the widest; weights are read on their own."""
    sizes = word_bytes(config)
    for region in Region:
        bits = range(8 * sizes.get(region, 0), 8 * max(sizes.values()))
        yield from (f"i_words[{int(region)}][{bit}]" for bit in bits)


def _addresses(config: EngineConfig) -> Iterator[str]:
    """Counts of layers, and addresses of their times, as far as the program goes."""
    layers = config.program_words // DESCRIPTOR_WORDS
    for bit in range(layers.bit_length(), 16):
        yield from (f"host__layers[{bit}]", f"engine__layers[{bit}]")
    for bit in range((timing_words(config) - 1).bit_length(), 16):
        yield from (f"timing_address[{bit}]", f"engine.i_write_address[{bit}]",
                    f"inner.i_write_address[{bit}]", f"timing.i_write_address[{bit}]")
