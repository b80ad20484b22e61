"""What the pacer promises: each pixel group has its slots, each of its cycles, without a gap."""

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from nhot.contract.config import EngineConfig
from nhot.contract.program import Operation
from nhot_hw.engine.descriptor import DescriptorLayout
from nhot_hw.engine.pacer import Pacer
from nhot_hw.engine.slot import Ends
from nhot_hw.engine.walker import PixelLayout
from nhot_hw.formal.inside import Inside

__all__ = ["CONFIG", "GROUPS", "At", "Paced", "PacerPaces", "counted", "counts_hold", "limits_hold"]

#: Small, with several pixels, several groups of outputs, and lanes that take little time.
CONFIG = EngineConfig(
    pixels=2, filters=4, inputs=4, requantisers=2, format="signed-binary",
    activation_words=64, weight_words=16, requant_words=16,
)
GROUPS = CONFIG.filters // CONFIG.requantisers


#: Where in a pixel group the pacer is: cycles of a record, records, values of a pixel, pixels.
At = data.StructLayout({
    "active": 1, "place": PixelLayout, "phase": 2, "second": 1, "group": range(GROUPS + 1),
    "pixel": range(CONFIG.pixels),
})
#: A pixel group: where it is, and its cycles so far and to come, 32 at most.
_Group = data.StructLayout({"place": PixelLayout, "done": 6, "left": 6})


class Paced(wiring.Component):
    """Any layer, whose pixel groups are finished whenever there is room for one.

    Members
    -------
    finish : In(1)
        A group is finished, if one may be.
    place : In(PixelLayout)
    """

    finish: In(1)
    place: In(PixelLayout)

    def _layer(self, m: Module, dut: wiring.Component) -> tuple[Value, Signal]:
        """The layer, and whether it has been there long enough for a group to be finished."""
        layer = data.View(DescriptorLayout, AnyConst(DescriptorLayout.size))
        operation = layer.operation
        m.d.comb += [
            dut.i_descriptor.eq(layer),
            Assume((operation >= Operation.ARRAY) & (operation <= Operation.ARGMAX)),
            Assume((layer.terms >= 1) & (layer.terms <= 4)),
            Assume((layer.tail_pixels >= 1) & (layer.tail_pixels <= CONFIG.pixels)),
            Assume((layer.tail_groups >= 1) & (layer.tail_groups <= GROUPS)),
            Assume((operation == Operation.ARRAY) | ~layer.one_pixel),
            Assume(~layer.one_pixel | (layer.tail_pixels == 1)),
        ]
        settled = Signal()
        m.d.sync += settled.eq(1)
        return layer, settled

    def _group(self, m: Module, layer: Value, finish: Value) -> data.View:
        """The group that the pacer is at."""
        group = Signal(_Group)
        with m.If(finish):
            m.d.sync += [
                group.place.eq(self.place), group.done.eq(0),
                group.left.eq(_cycles(self._counts(m, layer, self.place))),
            ]
        with m.Elif(group.left != 0):
            m.d.sync += [group.left.eq(group.left - 1), group.done.eq(group.done + 1)]
        return group

    def _counts(self, m: Module, layer: Value, place: Value) -> data.View:
        """How many cycles a value, values a pixel, pixels a group have, at a place."""
        array = layer.operation == Operation.ARRAY
        counts = Signal(data.StructLayout({"cycles": 3, "records": 2, "groups": 3, "pixels": 2}))
        m.d.comb += [
            counts.cycles.eq(layer.terms),
            counts.records.eq(Mux(layer.operation == Operation.ADD, 2, 1)),
            counts.groups.eq(Mux(place.last_tile, layer.tail_groups, GROUPS)),
            counts.pixels.eq(Mux(~array | layer.one_pixel, 1,
                                 Mux(place.last_column, layer.tail_pixels, CONFIG.pixels))),
        ]
        return counts


class PacerPaces(Paced):
    """A group has a slot for each record of each value, each of as many cycles as it has terms.

    They follow each other without a gap from the cycle after its last step on, and the next group
    may be finished in the last of them, or later.
    """

    def elaborate(self, platform: object) -> Module:
        m = Module()
        dut = Pacer(CONFIG)
        inside = Inside(m, dut, platform)
        layer, settled = self._layer(m, dut)
        finish = self.finish & dut.o_ready & settled
        m.d.comb += [dut.i_finish.eq(finish), dut.i_pixel.eq(self.place)]
        group = self._group(m, layer, finish)
        counts = self._counts(m, layer, group.place)
        at = counted(m, inside.part(Pacer))
        m.d.comb += [
            Assert(dut.o_ready == (group.left <= 1), "the next may come when this one is done"),
            *_slots(dut.o_slot, group, counts),
            Cover((group.left == 1) & (group.done == 15) & finish, "a group behind a long one"),
            *_paced(inside.part(Pacer), at, group, counts),
            *limits_hold(inside.part(Pacer)["limits"], layer, settled),
        ]
        return m


def _slots(slot: Value, group: Value, counts: Value) -> list:
    """What is said of a cycle of a slot, where its group stands."""
    under_way = group.left != 0
    value = (counts.cycles * counts.records)[:4]  # cycles of a value, and of a pixel
    pixel = (value * counts.groups)[:5]
    after = group.done + 1
    group_end, place = group.left == 1, group.place
    return [
        Assert(slot.begin == (under_way & (group.done % counts.cycles == 0)), "each slot begins"),
        Assert(~under_way | (slot.second == (group.done % value >= counts.cycles)),
               "the second record follows the first"),
        Assert((slot.ends >= Ends.VALUE) == (under_way & (after % value == 0)), "each value ends"),
        Assert((slot.ends >= Ends.PIXEL) == (under_way & (after % pixel == 0)), "each pixel ends"),
        Assert((slot.ends >= Ends.GROUP) == group_end, "each group ends"),
        Assert((slot.ends >= Ends.TILE) == (group_end & place.tile_end), "each tile ends"),
        Assert((slot.ends >= Ends.LAYER) == (group_end & place.tile_end & place.last_tile),
               "the layer ends"),
        Assert(~under_way | (slot.row_end == place.row_end), "the end of a row is passed on"),
    ]


def _paced(pacer: dict, at: Value, group: Value, counts: Value) -> list:
    """What an induction has to know of the pacer's state."""
    return [
        Assert(at.active == (group.left != 0), "a group is under way"),
        Assert(~at.active | (at.place.as_value() == group.place.as_value()), "it stays"),
        Assert(~at.active | (group.done == at.phase + counts.cycles * (
            at.second + counts.records * (at.group + counts.groups * at.pixel))),
               "done is counted"),
        Assert(~at.active | (group.done + group.left == _cycles(counts)), "left is to come"),
        *counts_hold(pacer, at, counts),
    ]


def _cycles(counts: Value) -> Value:
    """Of a group."""
    return counts.cycles * counts.records * counts.groups * counts.pixels


def counted(m: Module, pacer: dict) -> Signal:
    """Where in its group the pacer is, which counts what is left of it."""
    at = Signal(At)
    limits, place = pacer["limits"], pacer["place"]
    m.d.comb += [at.active.eq(pacer["active"]), at.place.eq(place)]
    with m.If(pacer["active"]):
        m.d.comb += [
            at.phase.eq(limits.phase - pacer["phase"]),
            at.second.eq(pacer["second"]),
            at.group.eq(Mux(place.last_tile, limits.tail_group, limits.group) - pacer["group"]),
            at.pixel.eq(Mux(place.last_column, limits.tail_pixel, limits.pixel) - pacer["pixel"]),
        ]
    return at


def counts_hold(pacer: dict, at: Value, counts: Value) -> list:
    """Counts are below their ends, and slots begin where they do."""
    return [
        Assert(at.active | ~pacer["second"], "the first record comes first"),
        Assert(pacer["begin"] == (at.active & (at.phase == 0)), "each slot begins"),
        Assert(~at.active | ((at.phase < counts.cycles) & (at.second < counts.records)
                             & (at.group < counts.groups) & (at.pixel < counts.pixels)),
               "counts are below their ends"),
    ]


def limits_hold(limits: Value, layer: Value, settled: Signal) -> list:
    """What its counts go to is what the layer says."""
    array = layer.operation == Operation.ARRAY
    return [
        Assert(~settled | condition, "limits are those of the layer") for condition in (
            limits.phase == layer.terms - 1,
            limits.second == (layer.operation == Operation.ADD),
            limits.group == GROUPS - 1,
            limits.tail_group == layer.tail_groups - 1,
            limits.pixel == Mux(array & ~layer.one_pixel, CONFIG.pixels - 1, 0),
            limits.tail_pixel == Mux(array, layer.tail_pixels - 1, 0),
        )
    ]
