"""What the drain promises: no sum is passed over, taken twice, or taken before it is there."""

from amaranth.hdl import Assert, Cat, Cover, Module, Mux, Signal, Value
from amaranth.lib import data

from nhot.contract.latency import REQUANT_LATENCY, WINDOW_LATENCY
from nhot.contract.program import Operation
from nhot_hw.delay import delayed
from nhot_hw.engine.drain import Drain
from nhot_hw.engine.pacer import Pacer
from nhot_hw.engine.slot import Ends
from nhot_hw.formal.inside import Inside
from nhot_hw.formal.pacer import CONFIG, At, Paced, counted, counts_hold, limits_hold

__all__ = ["DrainEmpties"]


class DrainEmpties(Paced):
    """Sums are captured when they are there, and all before them have been taken, each once.

    A captured group leaves by shifts, one for each R outputs of each of its pixels, one pixel after
    the other (:class:`nhot_hw.formal.engine_parts.ReadoutKeeps` says what comes to the head then).
    Each record is taken once, and each value gives bytes once.

    The pacer's counts, which :class:`PacerPaces` is about, are followed down the line.
    """

    def elaborate(self, platform: object) -> Module:
        m = Module()
        dut = Drain(CONFIG)
        inside = Inside(m, dut, platform)
        layer, settled = self._layer(m, dut)
        finish = self.finish & dut.o_ready & settled
        m.d.comb += [dut.i_finish.eq(finish), dut.i_pixel.eq(self.place)]
        pacer = inside.part(Pacer)
        at_pacer, to_sums, at_sums = counted(m, pacer), Signal(At), Signal(At)
        m.d.comb += [
            to_sums.as_value().eq(self._late(m, layer, at_pacer.as_value(), -2)),
            at_sums.as_value().eq(self._late(m, layer, at_pacer.as_value(), -1)),
            *limits_hold(pacer["limits"], layer, settled),
            *counts_hold(pacer, at_pacer, self._counts(m, layer, at_pacer.place)),
            Assert(dut.o_capture == self._late(m, layer, finish, 0),
                   "sums must be captured when they are there"),
            Assert(inside.signal("fresh") == (~to_sums.active | _at_first(to_sums)),
                   "a group begins"),
        ]
        at_value, at_bytes = (
            data.View(At, delayed(m, at_sums.as_value(), cycles, reset=True))
            for cycles in (1, REQUANT_LATENCY[CONFIG.requant_terms].byte)
        )
        self._lines(m, inside, layer, at_sums)
        self._takes(m, dut, layer, at_sums, at_value)
        value, pixel, _ = _ends(at_bytes, self._counts(m, layer, at_bytes.place))
        m.d.comb += [
            Assert(dut.o_valid == value, "each value must give bytes once"),
            Assert(dut.o_row_end == (pixel & at_bytes.place.row_end), "the end of a row is known"),
            Cover(dut.o_row_end & (at_bytes.pixel == 1), "the end of a row"),
        ]
        return m

    def _late(self, m: Module, layer: Value, value: Value, more: int) -> Value:
        """A value of a last step's cycle, when its sums are there, and ``more`` cycles."""
        late = [
            delayed(m, value, cycles + more, reset=True)
            for cycles in (CONFIG.sum_latency, CONFIG.memory_latency + WINDOW_LATENCY)
        ]
        return Mux(layer.operation == Operation.ARRAY, *late)

    def _lines(self, m: Module, inside: Inside, layer: Value, at_sums: Value) -> None:
        """The slots at the sums are those of the counts there."""
        slot, place = inside["at_sums"], at_sums.place
        value, pixel, group = _ends(at_sums, self._counts(m, layer, place))
        m.d.comb += [
            Assert(condition, "a slot is that of its counts") for condition in (
                slot.begin == (at_sums.active & (at_sums.phase == 0)),
                ~at_sums.active | (slot.second == at_sums.second),
                ~at_sums.active | (slot.row_end == place.row_end),
                (slot.ends >= Ends.VALUE) == value, (slot.ends >= Ends.PIXEL) == pixel,
                (slot.ends >= Ends.GROUP) == group,
            )
        ]

    def _takes(self, m: Module, dut: Drain, layer: Value, at_sums: Value, at_value: Value) -> None:
        """The shifts between two captures: the readout is full until the last value has left."""
        full, group, pixel = Signal(), Signal(2), Signal(2)
        captured, counts = (self._counts(m, layer, at.place) for at in (at_sums, at_value))
        groups, pixels = Signal(3), Signal(2)  # of what was captured
        shift = dut.o_shift.any()
        last = (group == groups - 1) & (pixel == pixels - 1)
        with m.If(dut.o_capture):
            m.d.sync += [full.eq(1), group.eq(0), pixel.eq(0),
                         groups.eq(captured.groups), pixels.eq(captured.pixels)]
        with m.Elif(shift):
            m.d.sync += [full.eq(~last), group.eq(group + 1)]
            with m.If(group == groups - 1):
                m.d.sync += [group.eq(0), pixel.eq(pixel + 1)]
        addition = counts.records == 2
        m.d.comb += [
            Assert(~dut.o_capture | ~full | (shift & last), "no sum may be overwritten"),
            Assert(~shift | full, "no sum may be taken that is not there"),
            Assert(~shift | (dut.o_pixel == pixel), "pixels must leave one after the other"),
            Assert(dut.o_shift == (shift << dut.o_pixel), "the pixel at the head moves on"),
            Assert(dut.o_take == (at_value.active & (at_value.phase == 0)),
                   "each record must be taken once"),
            Assert(shift == (dut.o_take & (at_value.second == addition)),
                   "a value must leave with its last record"),
            Assert(~dut.o_take | (dut.o_operand == Mux(addition, 1 << at_value.second, 0)),
                   "of its operand, if it is one"),
            Cover(dut.o_capture & shift, "a group as the one before it leaves"),
        ]
        left = at_value.active & (at_value.phase != 0) & (at_value.second == addition)
        value_last = at_value.group == counts.groups - 1
        pixel_last = at_value.pixel == counts.pixels - 1
        m.d.comb += [
            Assert(full == (at_value.active & ~(left & value_last & pixel_last)),
                   "it is full until the last value leaves"),
            Assert(~at_value.active | ((groups == counts.groups) & (pixels == counts.pixels)),
                   "what was captured is what leaves"),
            Assert(~full | (group == Mux(left, Mux(value_last, 0, at_value.group + 1),
                                         at_value.group)), "the value is the next to leave"),
            Assert(~full | (pixel == at_value.pixel + (left & value_last)), "and its pixel"),
            Assert(dut.o_pixel == Mux(at_value.active, at_value.pixel, 0), "the pixel is counted"),
        ]


def _at_first(at: Value) -> Value:
    """Whether nothing of its group has passed."""
    return Cat(at.phase, at.second, at.group, at.pixel) == 0


def _ends(at: Value, counts: Value) -> tuple[Value, Value, Value]:
    """Whether it is the last cycle of a value, of a pixel, of a group."""
    value = (at.active & (at.phase == counts.cycles - 1)
             & (at.second == (counts.records == 2)))
    pixel = value & (at.group == counts.groups - 1)
    return value, pixel, pixel & (at.pixel == counts.pixels - 1)
