"""The descriptor of a layer as hardware sees it: the same fields as in the compiler's program."""

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from nhot.compiler.program import DESCRIPTOR_WORDS, WORDS

__all__ = ["DescriptorLayout"]

_SIGNED = {"pad_value", "zero_point", "low", "high"}


def _layout() -> data.FlexibleLayout:
    fields = {}
    for index, word in enumerate(WORDS):
        offset = 32 * index
        for name, width in word.items():
            shape = signed(width) if name in _SIGNED else unsigned(width)
            fields[name] = data.Field(shape, offset)
            offset += width
    return data.FlexibleLayout(32 * DESCRIPTOR_WORDS, fields)


DescriptorLayout = _layout()
"""All fields of :class:`nhot.compiler.program.Descriptor`, at their places in its 32-bit words."""
