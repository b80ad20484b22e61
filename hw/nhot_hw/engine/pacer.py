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
        place = Signal(PixelLayout)
        phase = Signal(2)
        second = Signal()
        group = Signal.like(limits.groups)
        pixel = Signal(range(self.config.pixels))

        groups = Mux(place.last_tile, limits.tail_groups, limits.groups)
        last_pixel = Mux(place.last_column, limits.tail_column, limits.column)
        next_pixel = pixel + limits.step
        slot_end, value_end, pixel_end, group_end = (
            Signal(name=name) for name in ("slot_end", "value_end", "pixel_end", "group_end")
        )
        m.d.comb += [
            slot_end.eq(active & (phase == limits.phase)),
            value_end.eq(slot_end & (second == limits.addition)),
            pixel_end.eq(value_end & (group == groups - 1)),
            group_end.eq(pixel_end & (next_pixel > last_pixel)),
            self.o_ready.eq(~active | group_end),
        ]
        with m.If(active):
            m.d.sync += phase.eq(Mux(slot_end, 0, phase + 1))
        with m.If(slot_end):
            m.d.sync += second.eq(limits.addition & ~second)
        with m.If(value_end):
            m.d.sync += group.eq(Mux(pixel_end, 0, group + 1))
        with m.If(pixel_end):
            m.d.sync += pixel.eq(Mux(group_end, 0, next_pixel))
        with m.If(self.i_finish):
            m.d.sync += [active.eq(1), place.eq(self.i_pixel)]
        with m.Elif(group_end):
            m.d.sync += active.eq(0)

        m.d.comb += [
            self.o_slot.begin.eq(active & (phase == 0)),
            self.o_slot.second.eq(second),
            self.o_slot.row_end.eq(place.row_end),
        ]
        with m.If(group_end & place.tile_end):
            m.d.comb += self.o_slot.ends.eq(Mux(place.last_tile, Ends.LAYER, Ends.TILE))
        with m.Elif(group_end):
            m.d.comb += self.o_slot.ends.eq(Ends.GROUP)
        with m.Elif(pixel_end):
            m.d.comb += self.o_slot.ends.eq(Ends.PIXEL)
        with m.Elif(value_end):
            m.d.comb += self.o_slot.ends.eq(Ends.VALUE)
        return m

    def _limits(self, m):
        """What the counts go to in the layer, in registers: the way from here to the walk is long.

        They settle while the descriptor does.
        """
        config, layer = self.config, self.i_descriptor
        groups = range(max(config.filters, config.inputs) // config.requantisers + 1)
        pixels = range(config.pixels)
        limits = Signal(data.StructLayout({
            "phase": 2, "addition": 1, "groups": groups, "tail_groups": groups,
            "column": pixels, "tail_column": pixels, "step": range(3),
        }))
        array = on_lanes(layer, config)
        m.d.sync += [
            limits.phase.eq((layer.terms - 1) // config.requant_terms),
            limits.addition.eq(layer.operation == Operation.ADD),
            limits.groups.eq(Mux(array, config.filters, config.inputs) // config.requantisers),
            limits.tail_groups.eq(layer.tail_groups),
            limits.column.eq(Mux(array & ~layer.one_pixel, config.pixels - 1, 0)),
            limits.tail_column.eq(Mux(array, layer.tail_pixels - 1, 0)),
            limits.step.eq(pixel_step(layer, config)),
        ]
        return limits
