"""What travels beside the values of a pixel group, from their sums to their bytes."""

from amaranth.lib import data, enum

__all__ = ["Ends", "SlotLayout"]


class Ends(enum.IntEnum, shape=3):
    """How much of a layer comes to its end with a cycle; each level includes those before it."""

    NOTHING = 0
    VALUE = 1  # R outputs have had all their terms
    PIXEL = 2  # and they were the last of a pixel
    GROUP = 3  # and that the last of a pixel group
    TILE = 4  # and that the last of a tile
    LAYER = 5


SlotLayout = data.StructLayout({
    "begin": 1,  # the first cycle of a record, whose value is taken
    "second": 1,  # the record is that of an addition's second operand
    "row_end": 1,  # the pixel group is the last one of its row
    "ends": Ends,
})
"""One cycle of a requantisation. All zeros is a cycle without one."""
