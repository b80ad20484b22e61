"""Where requantised bytes go."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot_hw.engine.descriptor import DescriptorLayout, on_lanes
from nhot_hw.engine.slot import Ends, SlotLayout

__all__ = ["DestinationCounter", "destination_layout"]


def destination_layout(config: EngineConfig) -> data.StructLayout:
    """Where R bytes go: a word, and which R of its S bytes."""
    return data.StructLayout({
        "address": config.activation_address_bits,
        "lanes": range(max(2, config.inputs // config.requantisers)),
    })


class DestinationCounter(wiring.Component):
    """Words are counted up, never computed: by R outputs, by pixel, by row and by tile.

    Members
    -------
    i_descriptor, i_start : the layer, and a pulse before its first slot
    i_slot : the slots, a cycle before their bytes are there
    o_destination : of the bytes of the slot of the cycle before
    o_beyond : it lies beyond the memory
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__({
            "i_descriptor": In(DescriptorLayout),
            "i_start": In(1),
            "i_slot": In(SlotLayout),
            "o_destination": Out(destination_layout(config)),
            "o_beyond": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config, layer = self.config, self.i_descriptor
        per_word = config.inputs // config.requantisers
        array = on_lanes(layer, config)

        lanes = Signal.like(self.o_destination.lanes)
        # From words of the memory, by strides below its depth: a bit more shows what is beyond.
        word, pixel_word, tile_word, next_pixel, next_tile = (
            Signal(config.activation_address_bits + 1, name=name)
            for name in ("word", "pixel_word", "tile_word", "next_pixel", "next_tile")
        )
        tile_lanes = Signal.like(lanes)
        next_lanes = Signal.like(lanes)

        ends = Signal(Ends)
        step = Signal(config.activation_address_bits)  # ready when its slot is
        new_row = self.i_slot.row_end & (self.i_slot.ends >= Ends.GROUP) & layer.row_words.any()
        m.d.sync += [
            ends.eq(self.i_slot.ends), step.eq(Mux(new_row, layer.row_words, layer.pixel_words)),
        ]
        m.d.comb += next_pixel.eq(pixel_word + step)
        m.d.comb += [next_tile.eq(tile_word + 1), next_lanes.eq(0)]
        if config.filters >= config.inputs:
            with m.If(array):
                m.d.comb += next_tile.eq(tile_word + config.filters // config.inputs)
        else:
            advance = config.filters // config.requantisers
            with m.If(array & (tile_lanes + advance != per_word)):
                m.d.comb += [next_tile.eq(tile_word), next_lanes.eq(tile_lanes + advance)]

        with m.If(self.i_start):
            m.d.sync += [
                word.eq(layer.output_address), pixel_word.eq(layer.output_address),
                tile_word.eq(layer.output_address), lanes.eq(0), tile_lanes.eq(0),
            ]
        with m.Elif(ends >= Ends.TILE):
            m.d.sync += [
                word.eq(next_tile), pixel_word.eq(next_tile), tile_word.eq(next_tile),
                lanes.eq(next_lanes), tile_lanes.eq(next_lanes),
            ]
        with m.Elif(ends >= Ends.PIXEL):
            m.d.sync += [word.eq(next_pixel), pixel_word.eq(next_pixel), lanes.eq(tile_lanes)]
        with m.Elif(ends >= Ends.VALUE):
            word_end = lanes == per_word - 1
            m.d.sync += [lanes.eq(Mux(word_end, 0, lanes + 1)), word.eq(word + word_end)]
        m.d.comb += [
            self.o_destination.address.eq(word),
            self.o_destination.lanes.eq(lanes),
            self.o_beyond.eq((ends >= Ends.VALUE) & (word >= config.activation_words)),
        ]
        return m
