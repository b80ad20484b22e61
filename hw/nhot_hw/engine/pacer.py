"""When each value of a pixel group is requantised, which also says how fast groups may follow."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot.contract.program import Operation
from nhot_hw.engine.descriptor import DescriptorLayout, on_lanes, pixel_step
from nhot_hw.engine.slot import Ends, SlotLayout
from nhot_hw.engine.walker import PixelLayout

__all__ = ["Pacer"]


class Pacer(wiring.Component):
    """Count out the slots of a pixel group as soon as the last step of its sums is under way.

    The sums take a fixed time from there to the readout, and so do the slots, in a line of
    registers. So a group may be finished here in the very cycle in which the one before it has had
    its last slot here, whatever is still on its way; no sum ever meets a readout that is not empty.

    A pixel group has ``valid pixels x groups of R outputs x records`` slots, and a slot as many
    cycles as its terms take, ``config.requant_terms`` at a time.

    Members
    -------
    i_descriptor : the layer
    i_finish, i_pixel : the last step of a pixel group's sums, and where the group stands
    o_ready : a group may be finished in this cycle
    o_slot : from the cycle after ``i_finish`` on, one cycle of a slot after the other
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__({
            "i_descriptor": In(DescriptorLayout),
            "i_finish": In(1),
            "i_pixel": In(PixelLayout),
            "o_ready": Out(1),
            "o_slot": Out(SlotLayout),
        })

    def elaborate(self, platform):
        m = Module()
        limits = self._limits(m)
        active = Signal()
        begin = Signal()
        place = Signal(PixelLayout)
        # Counts go down, to an end that is known without the layer's limits: how many cycles,
        # groups of R outputs, and pixels follow.
        phase = Signal.like(limits.phase)
        second = Signal()
        group = Signal.like(limits.group)
        pixel = Signal.like(limits.pixel)
        slot_end, value_end, pixel_end, group_end = (
            Signal(name=name) for name in ("slot_end", "value_end", "pixel_end", "group_end")
        )
        m.d.comb += [
            slot_end.eq(active & (phase == 0)),
            value_end.eq(slot_end & (second == limits.second)),
            pixel_end.eq(value_end & (group == 0)),
            group_end.eq(pixel_end & (pixel == 0)),
            self.o_ready.eq(~active | group_end),
        ]
        m.d.sync += [
            active.eq(self.i_finish | ~self.o_ready),
            begin.eq(self.i_finish | (slot_end & ~group_end)),
            phase.eq(Mux(slot_end | ~active, limits.phase, phase - 1)),
        ]
        with m.If(slot_end):
            m.d.sync += second.eq(limits.second & ~second)
        # While a group may be finished, the counts are those that it would have.
        last_tile = Mux(self.o_ready, self.i_pixel.last_tile, place.last_tile)
        with m.If(pixel_end | ~active):
            m.d.sync += group.eq(Mux(last_tile, limits.tail_group, limits.group))
        with m.Elif(value_end):
            m.d.sync += group.eq(group - 1)
        with m.If(self.o_ready):
            m.d.sync += [
                place.eq(self.i_pixel),
                pixel.eq(Mux(self.i_pixel.last_column, limits.tail_pixel, limits.pixel)),
            ]
        with m.Elif(pixel_end):
            m.d.sync += pixel.eq(pixel - 1)

        m.d.comb += [
            self.o_slot.begin.eq(begin),
            self.o_slot.second.eq(second),
            self.o_slot.row_end.eq(place.row_end),
        ]
        self._ends(m, place, value_end, pixel_end, group_end)
        return m

    def _ends(self, m, place, value_end, pixel_end, group_end):
        """How much of the layer ends with this cycle."""
        with m.If(group_end & place.tile_end):
            m.d.comb += self.o_slot.ends.eq(Mux(place.last_tile, Ends.LAYER, Ends.TILE))
        with m.Elif(group_end):
            m.d.comb += self.o_slot.ends.eq(Ends.GROUP)
        with m.Elif(pixel_end):
            m.d.comb += self.o_slot.ends.eq(Ends.PIXEL)
        with m.Elif(value_end):
            m.d.comb += self.o_slot.ends.eq(Ends.VALUE)

    def _limits(self, m):
        """What the counts go to in the layer, in registers: the way from here to the walk is long.

        They settle while the descriptor does.
        """
        config, layer = self.config, self.i_descriptor
        groups = range(max(config.filters, config.inputs) // config.requantisers)
        pixels = range(config.pixels)
        limits = Signal(data.StructLayout({
            "phase": 2, "second": 1, "group": groups, "tail_group": groups,
            "pixel": pixels, "tail_pixel": pixels,
        }))
        array = on_lanes(layer, config)
        strided = pixel_step(layer, config) == 2
        m.d.sync += [
            limits.phase.eq((layer.terms - 1) // config.requant_terms),
            limits.second.eq(layer.operation == Operation.ADD),
            limits.group.eq(Mux(array, config.filters, config.inputs) // config.requantisers - 1),
            limits.tail_group.eq(layer.tail_groups - 1),
            limits.pixel.eq(Mux(array & ~layer.one_pixel, config.pixels - 1, 0) >> strided),
            limits.tail_pixel.eq(Mux(array, layer.tail_pixels - 1, 0) >> strided),
        ]
        return limits
