"""Dense weight codes to the fields that lanes eat, once, while loading."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nhot.formats import Format

__all__ = ["CodeDecoder"]


class CodeDecoder(wiring.Component):
    """Combinational: the field of a dense code; a code that stands for no level gives any field.

    One of these serves the whole array: a decoder a lane would cost more than its lane saves.

    Members
    -------
    i_code : In(format.code_bits)
    o_field : Out(format.field_bits)
    """

    def __init__(self, fmt: Format):
        self.format = fmt
        super().__init__({"i_code": In(fmt.code_bits), "o_field": Out(fmt.field_bits)})

    def elaborate(self, platform):
        m = Module()
        table = [int(field) for field in self.format.field_table]
        mask = (1 << self.format.field_bits) - 1
        if all(field == (code + table[0]) & mask for code, field in enumerate(table)):
            m.d.comb += self.o_field.eq(self.i_code + table[0])  # uniform: an offset
            return m
        with m.Switch(self.i_code):
            for code, field in enumerate(table):
                with m.Case(code):
                    m.d.comb += self.o_field.eq(field)
        return m
