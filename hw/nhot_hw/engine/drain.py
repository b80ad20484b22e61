"""What happens to finished sums: in which order, with which constants, and where they go."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot.contract.program import Operation
from nhot_hw.engine.descriptor import DescriptorLayout
from nhot_hw.engine.requantiser import Requantiser
from nhot_hw.engine.walker import PixelLayout

__all__ = ["Drain", "destination_layout"]


def destination_layout(config: EngineConfig) -> data.StructLayout:
    """Where R requantised bytes go: a word, which R of its S bytes, whether a row ends there."""
    return data.StructLayout({
        "address": config.activation_address_bits,
        "lanes": range(max(2, config.inputs // config.requantisers)),
        "row_end": 1,
    })


class Drain(wiring.Component):
    """Step through the sums of a pixel group: T pixels, their groups of R, the records of each.

    A record is two words (bias, terms) and takes ``max(2, terms)`` cycles. ``o_ready`` tells the
    walker that sums which it completes now will find the readout empty when they get there.

    ::

        slot cycle      0        1        2        3 ...
        o_record       bias    terms    (next slot when terms <= 2)
        o_take                   1
        o_load                            1
        o_term                                     1 ...

    Parameters
    ----------
    config : EngineConfig
    sum_latency : int
        Cycles from the last step of an array's sum to its capture.

    Members
    -------
    i_descriptor, i_start : the layer, and a pulse before its first pixel group
    i_capture, i_pixel : a pixel group is being captured, and where it stands
    o_busy : anything is under way, the last write included
    o_ready : see above
    o_record : address in the requantisation memory
    o_pixel, o_shift, o_operand : control of the readout and, for additions, which operand
    o_take, o_load, o_term, o_term_first : control of the requantisers
    o_valid, o_destination : requantised bytes are ready, and where they go
    o_beyond : a record, or a byte that is about to be written, lies beyond its memory
    """

    def __init__(self, config: EngineConfig, *, sum_latency: int):
        self.config = config
        self.sum_latency = sum_latency
        super().__init__({
            "i_descriptor": In(DescriptorLayout),
            "i_start": In(1),
            "i_capture": In(1),
            "i_pixel": In(PixelLayout),
            "o_busy": Out(1),
            "o_ready": Out(1),
            "o_record": Out(config.requant_address_bits),
            "o_pixel": Out(range(max(2, config.pixels))),
            "o_shift": Out(1),
            "o_operand": Out(1),
            "o_take": Out(1),
            "o_load": Out(1),
            "o_term": Out(1),
            "o_term_first": Out(1),
            "o_valid": Out(1),
            "o_destination": Out(destination_layout(config)),
            "o_beyond": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config, layer = self.config, self.i_descriptor
        array = layer.operation == Operation.ARRAY
        addition = layer.operation == Operation.ADD

        active = Signal()
        place = Signal(PixelLayout)
        phase = Signal(3)
        operand = Signal()
        group = Signal(range(max(config.filters, config.inputs) // config.requantisers + 1))
        pixel = Signal.like(self.o_pixel)

        slot_end = Signal()  # last cycle of a record
        record_end = Signal()  # ... of the last record of a group
        pixel_end = Signal()  # ... of the last group of a pixel
        all_end = Signal()  # ... of the last pixel
        groups = Signal.like(group)
        full = Mux(array, config.filters, config.inputs) // config.requantisers
        last_pixel = Mux(array & place.last_column, layer.last_pixels - 1,
                         Mux(array, config.pixels - 1, 0))
        # Sums are captured sum_latency cycles after their last step, a pooled word three; a group
        # takes at most four. So this many groups may still be ahead of what is completed now.
        ahead = (self.sum_latency + 1) // 4
        left = groups - group
        nearly = Mux(array, left <= ahead, (left == 1) & (operand == addition))
        period_end = Mux(layer.terms < 2, 1, layer.terms - 1)
        m.d.comb += [
            groups.eq(Mux(place.last_tile, layer.last_groups, full)),
            slot_end.eq(active & (phase == period_end)),
            record_end.eq(slot_end & (operand == addition)),
            pixel_end.eq(record_end & (group == groups - 1)),
            all_end.eq(pixel_end & (pixel == last_pixel)),
            self.o_ready.eq(~active | ((pixel == last_pixel) & nearly)),
            self.o_pixel.eq(pixel),
            self.o_operand.eq(operand),
            self.o_take.eq(active & (phase == 1)),
            self.o_shift.eq(self.o_take & (operand == addition)),
        ]
        with m.If(active):
            m.d.sync += phase.eq(Mux(slot_end, 0, phase + 1))
        with m.If(slot_end):
            m.d.sync += operand.eq(addition & ~operand)
        with m.If(record_end):
            m.d.sync += group.eq(Mux(pixel_end, 0, group + 1))
        with m.If(pixel_end):
            m.d.sync += pixel.eq(Mux(all_end, 0, pixel + 1))
        with m.If(self.i_capture):
            m.d.sync += [active.eq(1), place.eq(self.i_pixel)]
        with m.Elif(all_end):
            m.d.sync += active.eq(0)

        record = self._records(m, place, phase, operand, record_end, pixel_end, all_end)
        destination, word = self._destinations(
            m, place, group, record_end, pixel_end, all_end, groups
        )
        self._pipeline(m, active, destination)
        written = layer.operation != Operation.ARGMAX  # whose results have words of their own
        m.d.sync += self.o_beyond.eq(
            (active & (record >= config.requant_words))
            | (self.o_take & written & (word >= config.activation_words))
        )
        return m

    def _records(self, m, place, phase, operand, record_end, pixel_end, all_end):
        """Each pixel starts at the records of its tile, and a group moves on by one record."""
        layer = self.i_descriptor
        record, first, following = (
            Signal(range(self.config.requant_words + 4), name=name)
            for name in ("record", "first", "following")
        )
        address = Signal.like(record)
        m.d.comb += [
            following.eq(record + Mux(layer.per_channel, 2, 0)),
            address.eq(record + (operand << 1) + (phase != 0)),
            self.o_record.eq(address),
        ]
        with m.If(self.i_start):
            m.d.sync += [record.eq(layer.requant_address), first.eq(layer.requant_address)]
        with m.Elif(all_end & place.tile_end):
            m.d.sync += [record.eq(following), first.eq(following)]
        with m.Elif(pixel_end):
            m.d.sync += record.eq(first)
        with m.Elif(record_end):
            m.d.sync += record.eq(following)
        return address

    def _destinations(self, m, place, group, record_end, pixel_end, all_end, groups):
        """Words are counted up, never computed: by group, by pixel and by tile."""
        config, layer = self.config, self.i_descriptor
        per_word = config.inputs // config.requantisers
        array = layer.operation == Operation.ARRAY

        now = Signal(destination_layout(config))
        # From words of the memory, by strides below its depth: a bit more shows what is beyond.
        word, pixel_word, tile_word, next_pixel, next_tile = (
            Signal(config.activation_address_bits + 1, name=name)
            for name in ("word", "pixel_word", "tile_word", "next_pixel", "next_tile")
        )
        tile_lanes = Signal.like(now.lanes)
        next_lanes = Signal.like(now.lanes)

        m.d.comb += next_pixel.eq(pixel_word + layer.pixel_words)
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
                tile_word.eq(layer.output_address), now.lanes.eq(0), tile_lanes.eq(0),
            ]
        with m.Elif(all_end & place.tile_end):
            m.d.sync += [
                word.eq(next_tile), pixel_word.eq(next_tile), tile_word.eq(next_tile),
                now.lanes.eq(next_lanes), tile_lanes.eq(next_lanes),
            ]
        with m.Elif(pixel_end):
            m.d.sync += [
                word.eq(next_pixel), pixel_word.eq(next_pixel), now.lanes.eq(tile_lanes),
            ]
        with m.Elif(record_end):
            word_end = now.lanes == per_word - 1
            m.d.sync += [
                now.lanes.eq(Mux(word_end, 0, now.lanes + 1)),
                word.eq(word + word_end),
            ]
        m.d.comb += now.row_end.eq(place.row_end & (group == groups - 1))
        m.d.comb += now.address.eq(word)
        return now, word

    def _pipeline(self, m, active, destination):
        """Carry first, last and destination beside the value, stage by stage."""
        layer = self.i_descriptor
        addition = layer.operation == Operation.ADD
        # (first record, last record, destination) of the value in each stage
        taken, loaded = (
            Signal(data.StructLayout({
                "first": 1, "last": 1, "destination": destination.shape(),
            }), name=name)
            for name in ("taken", "loaded")
        )
        with m.If(self.o_take):
            m.d.sync += [
                taken.first.eq(~self.o_operand),
                taken.last.eq(self.o_operand == addition),
                taken.destination.eq(destination),
            ]
        m.d.sync += self.o_load.eq(self.o_take)
        term, term_active = Signal(3), Signal()
        with m.If(self.o_load):
            m.d.sync += [loaded.eq(taken), term.eq(0), term_active.eq(1)]
        with m.Elif(term_active):
            m.d.sync += term.eq(term + 1)
            with m.If(term == layer.terms - 1):
                m.d.sync += term_active.eq(0)
        last_term = term_active & (term == layer.terms - 1) & loaded.last
        m.d.comb += [
            self.o_term.eq(term_active),
            self.o_term_first.eq(loaded.first & (term == 0)),
        ]
        valid, place = last_term, loaded.destination
        on_the_way = [active, self.o_load, term_active]
        for stage in range(Requantiser.LATENCY):
            next_valid = Signal(name=f"valid_{stage}")
            next_place = Signal(destination.shape(), name=f"destination_{stage}")
            m.d.sync += [next_valid.eq(valid), next_place.eq(place)]
            valid, place = next_valid, next_place
            on_the_way.append(valid)
        m.d.comb += [
            self.o_valid.eq(valid), self.o_destination.eq(place),
            self.o_busy.eq(Cat(*on_the_way).any()),
        ]
