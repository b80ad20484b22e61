"""Pictures of the way from sums to bytes: pacer, drain, requantiser, argmax, write-back."""

from __future__ import annotations

from typing import Any

from nhot.compiler.pack import term_word
from nhot.contract.config import EngineConfig
from nhot.contract.program import Descriptor, Operation
from nhot_hw.core.timing import Rows
from nhot_hw.engine.argmax import ArgMax
from nhot_hw.engine.drain import Drain
from nhot_hw.engine.pacer import Pacer
from nhot_hw.engine.requantiser import Requantiser
from nhot_hw.engine.slot import Ends
from nhot_hw.engine.write_back import WriteBack
from nhot_tools.pictures.drive import Driver, hexadecimal, pulse, timed
from nhot_tools.pictures.record import Trace, record

__all__ = ["argmax", "drain", "pacer", "requantiser", "write_back"]


def _layer(port: Any, **fields: Any) -> Driver:
    layer = Descriptor(operation=Operation.ARRAY, per_channel=1, **fields)
    return timed({0: [(port.as_value(), int.from_bytes(layer.pack(), "little"))]})


def _ends(value: int) -> str:
    return Ends(value).name if value else ""


def _groups(dut: Any, *, start: int) -> Driver:
    """Two pixel groups, the second as soon as it may be finished, the last of its tile."""
    async def drive(ctx: Any) -> None:
        for _ in range(start):
            await ctx.tick()
        for last in (False, True):
            ctx.set(dut.i_finish, 1)
            if last:
                place = dict.fromkeys(("last_column", "row_end", "last_tile", "tile_end"), 1)
                ctx.set(dut.i_pixel, place)
                while not ctx.get(dut.o_ready):
                    ctx.set(dut.i_finish, 0)
                    await ctx.tick()
                ctx.set(dut.i_finish, 1)
            await ctx.tick()
        ctx.set(dut.i_finish, 0)

    return drive


def pacer() -> Rows:
    """Pacer: two pixel groups of two pixels, two values each, a value of two terms"""
    dut = Pacer(EngineConfig(pixels=2, filters=2, inputs=2))
    return record(
        dut, [
            Trace("i_finish"), Trace("o_ready"), Trace("o_slot.begin"), Trace("o_slot.ends", _ends),
            Trace("o_slot.row_end"),
        ],
        _layer(dut.i_descriptor, terms=2, tail_pixels=2, tail_groups=2), _groups(dut, start=2),
        cycles=20,
    )


def drain() -> Rows:
    """Drain: two pixel groups of a pixel, two values each, a value of two terms"""
    dut = Drain(EngineConfig(filters=2, inputs=2))
    return record(
        dut, [
            Trace("i_start"), Trace("i_finish"), Trace("o_ready"), Trace("o_busy"),
            Trace("o_capture"), Trace("o_record", str), Trace("o_take"), Trace("o_shift"),
            Trace("o_fresh"), Trace("o_valid"),
            Trace("o_destination.address", str, when="o_valid"),
            Trace("o_destination.lanes", str, when="o_valid"), Trace("o_row_end"),
        ],
        _layer(dut.i_descriptor, terms=2, tail_groups=2, output_address=40),
        pulse(dut.i_start, 1), _groups(dut, start=2), cycles=26,
    )


def requantiser() -> Rows:
    """Requantiser: (100 + 20) (1/2 + 1/8) = 75, then (-60 + 20) (1/2 + 1/8) + zero point of 0"""
    dut = Requantiser(EngineConfig())
    terms = dut.i_terms.as_value()
    five_eighths = (1 << 23) + (1 << 21)
    return record(
        dut, [
            Trace("i_take"), Trace("i_value", str, when="i_take"),
            Trace("i_bias", str, when="i_take"), Trace("i_terms[0].shift", str, when="i_take"),
            Trace("i_terms[1].shift", str, when="i_take"), Trace("i_fresh"), Trace("o_y", str),
        ],
        timed({
            0: [(dut.i_low, -128), (dut.i_high, 127), (dut.i_bias, 20),
                (terms, term_word(five_eighths))],
            1: [(dut.i_take, 1), (dut.i_value, 100)],
            2: [(dut.i_take, 0)],
            3: [(dut.i_take, 1), (dut.i_value, -60), (dut.i_fresh, 1)],
            4: [(dut.i_take, 0), (dut.i_fresh, 0)],
            5: [(dut.i_fresh, 1)],
            6: [(dut.i_fresh, 0)],
        }),
        cycles=11,
    )


def argmax() -> Rows:
    """Argmax: five channels, two at a time; the sixth byte is none of them"""
    dut = ArgMax(EngineConfig(filters=2, inputs=2, requantisers=2))
    pairs = [(3, 7), (7, -2), (5, 99)]
    changes: dict[int, list] = {
        1 + t: [(dut.i_y[0], a), (dut.i_y[1], b), (dut.i_valid, 1), (dut.i_row_end, t == 2)]
        for t, (a, b) in enumerate(pairs)
    }
    return record(
        dut, [
            Trace("i_channels", str), Trace("i_valid"), Trace("i_y[0]", str, when="i_valid"),
            Trace("i_y[1]", str, when="i_valid"), Trace("i_row_end"), Trace("o_valid"),
            Trace("o_index", str, when="o_valid"),
        ],
        timed({0: [(dut.i_channels, 5)], **changes, 4: [(dut.i_valid, 0), (dut.i_row_end, 0)]}),
        cycles=9,
    )


def write_back() -> Rows:
    """Write-back: two halves of a word, an index, and a word of the host"""
    dut = WriteBack(EngineConfig(filters=4, inputs=4, requantisers=2))
    to, y = dut.i_destination, dut.i_bytes.as_value()
    return record(
        dut, [
            Trace("i_valid"), Trace("i_destination.address", str, when="i_valid"),
            Trace("i_destination.lanes", str, when="i_valid"),
            Trace("i_bytes", hexadecimal(4), when="i_valid"),
            Trace("i_index_valid"), Trace("i_index", str, when="i_index_valid"),
            Trace("i_host"), Trace("i_host_address", str, when="i_host"),
            Trace("i_host_word", hexadecimal(8), when="i_host"),
            Trace("o_write", lambda value: f"{value:04b}"), Trace("o_address", str),
            Trace("o_word", hexadecimal(8)),
        ],
        _layer(dut.i_descriptor, output_address=30),
        timed({
            0: [(dut.i_start, 1)],
            1: [(dut.i_start, 0), (dut.i_valid, 1), (to.address, 20), (y, 0xA1A0)],
            2: [(to.lanes, 1), (y, 0xA3A2)],
            3: [(dut.i_valid, 0), (dut.i_index_valid, 1), (dut.i_index, 7)],
            4: [(dut.i_index_valid, 0)],
            5: [(dut.i_host, 1), (dut.i_host_address, 5), (dut.i_host_word, 0xB3B2B1B0)],
            6: [(dut.i_host, 0)],
        }),
        cycles=8,
    )
