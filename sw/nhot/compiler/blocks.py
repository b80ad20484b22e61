"""How many block memories an engine takes, by the rules by which Yosys deals out words and bits."""

from __future__ import annotations

from dataclasses import dataclass

from nhot.contract.config import EngineConfig
from nhot.contract.memories import MemoryShape, memory_shapes

__all__ = ["FAMILIES", "BlockFamily", "blocks", "lut_memories"]


@dataclass(frozen=True, kw_only=True)
class BlockFamily:
    """The memories of an FPGA.

    Parameters
    ----------
    shapes : dict
        Words of a block by their bits.
    unit : int
        Bits that stay together where a word is spread over the widest shapes; a part of a word
        that is written by itself fills whole ones.
    cost : int
        Of a block, where that of a LUT memory of 16 words by 4 bits is 4, and that of a bit in
        flip-flops 1.
    has_lut_memories : bool
    has_large_memories : bool
        Memories with a single port, of 16,384 words by 16 bits, beside the blocks.
    """

    shapes: dict[int, int]
    unit: int
    cost: int
    has_lut_memories: bool
    has_large_memories: bool = False

    def blocks(self, shape: MemoryShape) -> int:
        """Blocks of a memory; 0 where it costs less in LUT memories or in flip-flops.

        Nor does one with a single port take any, where there are large ones for it.
        """
        if shape.single_port and self.has_large_memories:
            return 0
        least = min(self._spread(shape, bits, words) for bits, words in self.shapes.items())
        return 0 if self._logic_cost(shape) < self.cost * least else least

    def _spread(self, shape: MemoryShape, bits: int, words: int) -> int:
        """Blocks of one shape: words one behind the other, units of them side by side.

        Units of a word that do not fill a block share it with those of words further on.
        """
        unit = min(self.unit, bits)
        units = shape.lanes * -(-(shape.width // shape.lanes) // unit)
        return -(-units * -(-shape.depth // words) // (bits // unit))

    def _logic_cost(self, shape: MemoryShape) -> float:
        if not self.has_lut_memories:
            return shape.width * shape.depth - 1  # of equals, flip-flops
        deep = -(-shape.depth // 16)
        return 4 * slices(shape) + shape.width * (deep - 1) / 2  # with what selects a word


def slices(shape: MemoryShape) -> int:
    """LUT memories of 16 words by 4 bits."""
    return -(-shape.width // 4) * -(-shape.depth // 16)


FAMILIES = {
    "ecp5": BlockFamily(
        shapes={1: 16384, 2: 8192, 4: 4096, 9: 2048, 18: 1024, 36: 512}, unit=9, cost=128,
        has_lut_memories=True,
    ),
    "gowin": BlockFamily(
        shapes={1: 16384, 2: 8192, 4: 4096, 9: 2048, 18: 1024, 36: 512}, unit=9, cost=128,
        has_lut_memories=True,
    ),
    "ice40": BlockFamily(
        shapes={2: 2048, 4: 1024, 8: 512, 16: 256}, unit=1, cost=64, has_lut_memories=False,
        has_large_memories=True,
    ),
}


def blocks(config: EngineConfig, family: str) -> int:
    """Block memories of an engine with its host link."""
    return sum(FAMILIES[family].blocks(shape) for shape in memory_shapes(config))


def lut_memories(config: EngineConfig, family: str) -> int:
    """LUT memories of 16 words by 4 bits, for what is too small for a block."""
    known = FAMILIES[family]
    if not known.has_lut_memories:
        return 0
    return sum(
        slices(shape) for shape in memory_shapes(config) if not known.blocks(shape)
    )
