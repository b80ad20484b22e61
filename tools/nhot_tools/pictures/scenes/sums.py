"""Pictures of the way from words to sums: feed, operands, lanes, window unit, readout."""

from __future__ import annotations

from nhot.contract.config import EngineConfig
from nhot.contract.program import Operation
from nhot_hw.core.lane import LaneCore
from nhot_hw.core.timing import Rows, lane_rows
from nhot_hw.engine.feed import Feed
from nhot_hw.engine.operands import Operands
from nhot_hw.engine.readout import Readout
from nhot_hw.engine.window import WindowUnit
from nhot_hw.lanes import for_config
from nhot_tools.pictures.drive import hexadecimal, signed_bytes, timed
from nhot_tools.pictures.record import Trace, record

__all__ = ["array", "feed", "operands", "readout", "window"]


def feed() -> Rows:
    """Feed: three steps of a sum, the second of which reads padding of -1"""
    config = EngineConfig(filters=1, inputs=2, format="ternary")
    dut = Feed(config)
    step = dut.i_step
    return record(
        dut, [
            Trace("i_valid"), Trace("i_step.first"), Trace("i_step.inside[0]"),
            Trace("i_words[0]", signed_bytes(2)), Trace("i_weights", hexadecimal(1)),
            Trace("o_en"), Trace("o_first", when="o_en"),
            Trace("o_x[0]", signed_bytes(2), when="o_en"),
            Trace("o_w", hexadecimal(1), when="o_en"), Trace("o_window_en"),
        ],
        timed({
            0: [(dut.i_pad, -1), (dut.i_role.lanes, 1)],
            1: [(dut.i_valid, 1), (step.first, 1), (step.inside[0], 1)],
            2: [(step.first, 0), (step.inside[0], 0), (dut.i_words[0], 0x0201),
                (dut.i_weights, 0x4)],
            3: [(step.inside[0], 1), (step.last, 1), (dut.i_words[0], 0x0403),
                (dut.i_weights, 0x5)],
            4: [(dut.i_valid, 0), (dut.i_words[0], 0x0605), (dut.i_weights, 0x6)],
            5: [(dut.i_words[0], 0x0807), (dut.i_weights, 0x7)],
        }),
        cycles=8,
    )


def operands() -> Rows:
    """Operands: the nine taps of channel 0, whose column of three words moves on by one"""
    config = EngineConfig(filters=9, inputs=9, format="ternary", depthwise=True)
    dut = Operands(config)
    values = {cycle: [(dut.i_words[0][0], cycle), (dut.i_valid, 1)] for cycle in range(1, 13)}
    return record(
        dut, [
            Trace("i_valid"), Trace("i_words[0][0]", str, when="i_valid"),
            *(Trace(f"o_x[0][0][{tap}]", str) for tap in range(9)),
        ],
        timed({0: [(dut.i_depthwise, 1)], **values, 13: [(dut.i_valid, 0)]}), cycles=16,
    )


def array() -> Rows:
    """A lane of 2hot, S = 4: sum A of two steps with a gap between them, then B of one"""
    spec = for_config(EngineConfig())
    return lane_rows(spec, LaneCore(spec))


def window() -> Rows:
    """Window unit: the largest of three taps of two channels, and of one"""
    dut = WindowUnit(EngineConfig(filters=2, inputs=2))
    taps = [(3, -7), (9, -8), (5, -2), (1, 1)]
    changes: dict[int, list] = {
        1 + t: [(dut.i_x[0], a), (dut.i_x[1], b), (dut.i_en, 1), (dut.i_first, t in (0, 3))]
        for t, (a, b) in enumerate(taps)
    }
    return record(
        dut, [
            Trace("i_en"), Trace("i_first"), Trace("i_x[0]", str, when="i_en"),
            Trace("i_x[1]", str, when="i_en"),
            Trace("o_result[0]", str), Trace("o_result[1]", str),
        ],
        timed({0: [(dut.i_operation, Operation.MAX)], **changes, 5: [(dut.i_en, 0)]}), cycles=7,
    )


def readout() -> Rows:
    """Readout: sums of two pixels and two filters leave one by one, and the next are captured"""
    dut = Readout(EngineConfig(pixels=2, filters=2, inputs=2))
    sums = dut.i_sums
    return record(
        dut, [
            Trace("i_sums[0][0]", str), Trace("i_sums[0][1]", str), Trace("i_sums[1][0]", str),
            Trace("i_sums[1][1]", str), Trace("i_capture"), Trace("i_pixel", str),
            Trace("i_shift[0]"), Trace("i_shift[1]"), Trace("o_head[0]", str),
        ],
        timed({
            0: [(sums, [[11, 12], [21, 22]])],
            1: [(dut.i_capture, 1)],
            2: [(sums, [[13, 14], [23, 24]]), (dut.i_capture, 0), (dut.i_shift, 1)],
            4: [(dut.i_pixel, 1), (dut.i_shift, 2)],
            5: [(dut.i_capture, 1)],
            6: [(dut.i_capture, 0), (dut.i_pixel, 0), (dut.i_shift, 1)],
            8: [(dut.i_pixel, 1), (dut.i_shift, 2)],
            10: [(dut.i_shift, 0), (dut.i_pixel, 0)],
        }),
        cycles=11,
    )
