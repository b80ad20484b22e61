"""Bytes of output to words of four, which are offered until they are taken."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from nhot_hw.buses.mover import OutputLayout

__all__ = ["Packer"]


class Packer(wiring.Component):
    """Four bytes a word, the last one filled up with zeros.

    Members
    -------
    i : stream of bytes
    i_last : the byte is the last one
    i_stream : it is for the stream, not for the register; of the first byte of a word
    i_clear : forget everything but a word that the stream offers
    o : stream of words
    o_valid, o_word, i_take : the same for the register
    o_empty : it holds nothing
    """

    def __init__(self):
        super().__init__({
            "i": In(stream.Signature(8)),
            "i_last": In(1),
            "i_stream": In(1),
            "i_clear": In(1),
            "o": Out(stream.Signature(OutputLayout)),
            "o_valid": Out(1),
            "o_word": Out(32),
            "i_take": In(1),
            "o_empty": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        place = Signal(2)
        full = Signal()
        to_stream = Signal()
        word = self.o.p.bytes
        m.d.comb += [
            self.i.ready.eq(~full),
            self.o.valid.eq(full & to_stream),
            self.o_valid.eq(full & ~to_stream),
            self.o_word.eq(word),
            self.o_empty.eq(~full & (place == 0)),
        ]
        with m.If(self.i.valid & self.i.ready):
            with m.If(place == 0):
                m.d.sync += [word.eq(self.i.payload), to_stream.eq(self.i_stream)]
            with m.Else():
                m.d.sync += word.word_select(place, 8).eq(self.i.payload)
            m.d.sync += [place.eq(place + 1), self.o.p.last.eq(self.i_last)]
            with m.If((place == 3) | self.i_last):
                m.d.sync += [place.eq(0), full.eq(1)]
        with m.If((self.o.valid & self.o.ready) | self.i_take):
            m.d.sync += full.eq(0)
        with m.If(self.i_clear):
            m.d.sync += place.eq(0)
            with m.If(~self.o.valid):
                m.d.sync += full.eq(0)
        return m
