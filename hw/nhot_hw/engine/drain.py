"""What happens to finished sums: in which order, with which constants, and where they go."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot.contract.latency import REQUANT_LATENCY, WINDOW_LATENCY
from nhot.contract.program import Operation
from nhot_hw.engine.descriptor import DescriptorLayout, on_lanes, pixel_step
from nhot_hw.engine.destinations import DestinationCounter, destination_layout
from nhot_hw.engine.pacer import Pacer
from nhot_hw.engine.records import RecordCounter
from nhot_hw.engine.slot import Ends, SlotLayout
from nhot_hw.engine.walker import PixelLayout

__all__ = ["Drain"]

_SHARE = 8
"""Requantisers that may hang on one register: each has tens of bits that do."""


class Drain(wiring.Component):
    """The slots of a layer, which travel down a line of registers as its sums and bytes do.

    ::

        i_finish -> pacer -> .. lanes .. -> sums -> value -> .. requantiser .. -> bytes
                                            |       |                             |
                                       record       readout               destination

    Each place on the way sees a slot when the value of that slot is there.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    i_descriptor, i_start : the layer, and a pulse before its first pixel group
    i_finish, i_pixel : the last step of a pixel group's sums, and where the group stands
    o_busy : anything is under way, the last write included
    o_ready : a pixel group may be finished in this cycle
    o_capture : the sums of a pixel group are there
    o_record : number of a requantisation record; in the next cycle its value is taken
    o_pixel, o_shift : control of the readout: at whose sums it is, and that these move on
    o_operand : a bit for each operand of an addition: it is the value
    o_take, o_fresh : control of the requantisers; fresh for each half of them where they are many
    o_valid, o_row_end, o_destination : requantised bytes are there, the last ones of a row, and
        where they go
    o_word_end : they are the last of their word, where words are collected
    o_beyond : a record, or a byte that is about to be written, lies beyond its memory
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        copies = 1 + (config.requantisers > _SHARE)
        super().__init__({
            "i_descriptor": In(DescriptorLayout),
            "i_start": In(1),
            "i_finish": In(1),
            "i_pixel": In(PixelLayout),
            "o_busy": Out(1),
            "o_ready": Out(1),
            "o_capture": Out(1),
            "o_record": Out(config.record_address_bits),
            "o_pixel": Out(range(max(2, config.pixels))),
            "o_shift": Out(config.pixels),
            "o_operand": Out(2),
            "o_take": Out(1),
            # They begin differently, for synthesis makes one of registers that are always equal.
            "o_fresh": Out(copies, init=copies - 1 << 1),
            "o_valid": Out(1),
            "o_row_end": Out(1),
            "o_destination": Out(destination_layout(config)),
            "o_beyond": Out(1),
            **({"o_word_end": Out(1)} if config.single_port else {}),
        })

    def elaborate(self, platform):
        m = Module()
        layer = self.i_descriptor
        m.submodules.pacer = pacer = Pacer(self.config)
        m.submodules.records = records = RecordCounter(self.config)
        m.submodules.destinations = destinations = DestinationCounter(self.config)
        for part in (pacer, records, destinations):
            m.d.comb += part.i_descriptor.eq(layer)
        to_sums, at_sums = self._until_sums(m, pacer.o_slot)
        latency = REQUANT_LATENCY[self.config.requant_terms]
        line = [at_sums, *_line(m, at_sums, self.config.byte_latency)]
        at_value, to_product, at_bytes = line[1], line[latency.product - 1], line[-1]
        addition = layer.operation == Operation.ADD
        m.d.comb += [
            pacer.i_finish.eq(self.i_finish),
            pacer.i_pixel.eq(self.i_pixel),
            self.o_ready.eq(pacer.o_ready),
            records.i_start.eq(self.i_start),
            records.i_slot.eq(at_sums),
            self.o_record.eq(records.o_record),
            self.o_take.eq(at_value.begin),
            destinations.i_start.eq(self.i_start),
            destinations.i_slot.eq(line[-2]),
            self.o_valid.eq(at_bytes.ends != Ends.NOTHING),
            self.o_row_end.eq(at_bytes.row_end & (at_bytes.ends >= Ends.PIXEL)),
            self.o_destination.eq(destinations.o_destination),
        ]
        next_pixel = self._order(m, to_sums, at_value)
        last = at_sums.begin & (at_sums.second == addition)  # of its value's records
        # Known a cycle ahead: all bits of the readout and of the requantisers hang on them.
        m.d.sync += [
            self.o_shift.eq(Cat(last & (next_pixel == t) for t in range(self.config.pixels))),
            self.o_operand.eq(Cat(addition & ~at_sums.second, addition & at_sums.second)),
            self.o_fresh.eq((to_product.begin & ~to_product.second).replicate(len(self.o_fresh))),
        ]
        if self.config.single_port:
            end = self.config.inputs // self.config.requantisers - 1
            m.d.comb += self.o_word_end.eq(
                (at_bytes.ends >= Ends.PIXEL) | (self.o_destination.lanes == end)
            )
        with m.If(self.i_start):
            m.d.sync += self.o_busy.eq(1)
        with m.Elif(at_bytes.ends == Ends.LAYER):
            m.d.sync += self.o_busy.eq(0)
        written = layer.operation != Operation.ARGMAX  # whose results have words of their own
        m.d.sync += self.o_beyond.eq(records.o_beyond | (destinations.o_beyond & written))
        return m

    def _until_sums(self, m, slot):
        """The slots a cycle before the sums, and with them; pools, additions come sooner."""
        array = on_lanes(self.i_descriptor, self.config)
        # The pacer's register is one of the cycles.
        window = self.config.memory_latency + WINDOW_LATENCY - 1
        late = _line(m, slot, self.config.sum_latency - 1 - window)[-1]
        return _line(m, Mux(array, late, slot), window)[-2:]

    def _order(self, m, to_sums, at_value):
        """The first slot of a group captures its sums; then one pixel comes after the other.

        Which one it is in the next cycle.
        """
        fresh = Signal(init=1)
        with m.If(to_sums.ends >= Ends.GROUP):
            m.d.sync += fresh.eq(1)
        with m.Elif(to_sums.begin):
            m.d.sync += fresh.eq(0)
        m.d.sync += self.o_capture.eq(to_sums.begin & fresh)
        following = Signal.like(self.o_pixel)
        m.d.comb += following.eq(self.o_pixel)
        m.d.sync += self.o_pixel.eq(following)
        with m.If(at_value.ends >= Ends.GROUP):
            m.d.comb += following.eq(0)
        with m.Elif(at_value.ends >= Ends.PIXEL):
            step = pixel_step(self.i_descriptor, self.config)
            m.d.comb += following.eq(self.o_pixel + step)
        return following


def _line(m, slot, length):
    """``slot`` one, two ... ``length`` cycles later."""
    stages = []
    for i in range(length):
        stage = Signal(SlotLayout, name=f"slot_{i}")
        m.d.sync += stage.eq(slot)
        slot = stage
        stages.append(stage)
    return stages
