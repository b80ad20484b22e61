"""Pictures of what decides: sequencer, guard, walker."""

from __future__ import annotations

from typing import Any

import numpy as np

from nhot.contract.config import EngineConfig
from nhot.contract.program import Descriptor, Fault, Operation
from nhot_hw.core.timing import Rows
from nhot_hw.engine.engine import Engine
from nhot_hw.engine.sequencer import Sequencer
from nhot_hw.engine.walker import Walker
from nhot_tools.pictures.drive import asked, name_in, pulse, timed
from nhot_tools.pictures.record import Trace, record

__all__ = ["guard", "sequencer", "walker"]


def sequencer() -> Rows:
    """Sequencer: a walk of five cycles, and the next descriptor while the layer ends"""
    config = EngineConfig()
    dut = Sequencer(config)
    layer = Descriptor(operation=Operation.ARRAY, per_channel=1)
    words = np.frombuffer(layer.pack() + Descriptor(operation=Operation.END).pack(), "<u4").tolist()

    async def work(ctx: Any) -> None:
        await ctx.tick().until(dut.o_start)
        for busy, cycles in ((dut.i_walking, 5), (dut.i_layer_busy, 19)):
            ctx.set(dut.i_layer_busy, 1)
            ctx.set(busy, 1)
            for _ in range(cycles):
                await ctx.tick()
            ctx.set(busy, 0)

    return record(
        dut, [
            Trace("i_start"), Trace("o_busy"), Trace("o_address", str),
            Trace("o_descriptor.operation", name_in(Operation)), Trace("o_start"),
            Trace("o_layer.operation", name_in(Operation)), Trace("i_walking"),
            Trace("i_layer_busy"), Trace("o_timing_write"), Trace("o_timing_address", str),
            Trace("o_timing_data", str, when="o_timing_write"), Trace("o_cycles", str),
        ],
        pulse(dut.i_start, 1), asked(dut.o_address, dut.i_word, lambda at: words[at % len(words)]),
        work, cycles=45,
    )


def guard() -> Rows:
    """Guard: a walk leaves the activation memory, and the run ends"""
    config = EngineConfig(activation_words=64)
    engine = Engine(config)
    layer = Descriptor(
        operation=Operation.ARRAY, per_channel=1, input_address=62, width=8, last_column=7,
        jump_x=1, jump_y=1, jump_column=1,
    )
    words = np.frombuffer(layer.pack(), "<u4").tolist()

    async def load(ctx: Any) -> None:
        for address, word in enumerate(words):
            ctx.set(engine.program.row(address), word)
        ctx.set(engine.host.limit, 100)

    return record(
        engine, [
            Trace("walker.o_valid"), Trace("walker.o_step.address[0]", str, when="walker.o_valid"),
            Trace("i_beyond", of=engine.guard), Trace("o_fault", name_in(Fault), of=engine.guard),
            Trace("o_stop", of=engine.guard), Trace("host.fault", name_in(Fault)),
            Trace("host.busy"), Trace("host.cycles", str),
        ],
        load, pulse(engine.host.start, 0), cycles=15, start=15,
    )


def walker() -> Rows:
    """Walker: two groups of two pixels, three taps each; the second waits for two cycles"""
    config = EngineConfig(pixels=2, filters=2, inputs=2)
    dut = Walker(config)
    layer = Descriptor(
        operation=Operation.ARRAY, input_address=7, last_tap_x=2, pad_x=1, width=4, last_column=1,
        column_step=2, lane_step=1, jump_x=1, jump_column=0, tail_pixels=2,
    )
    settled = config.pixels + 1
    return record(
        dut, [
            Trace("i_start"), Trace("o_busy"), Trace("o_valid"),
            Trace("o_step.first", when="o_valid"), Trace("o_step.last", when="o_valid"),
            Trace("o_step.address[0]", str, when="o_valid"),
            Trace("o_step.inside[0]", when="o_valid"),
            Trace("o_step.address[1]", str, when="o_valid"),
            Trace("o_step.inside[1]", when="o_valid"), Trace("o_step.weight", str, when="o_valid"),
            Trace("i_ready"), Trace("o_stalled"), Trace("o_pixel.last_column"),
            Trace("o_pixel.tile_end"),
        ],
        timed({
            0: [(dut.i_descriptor.as_value(), int.from_bytes(layer.pack(), "little")),
                (dut.i_ready, 1)],
            settled + 5: [(dut.i_ready, 0)], settled + 8: [(dut.i_ready, 1)],
        }),
        pulse(dut.i_start, settled), cycles=12, start=settled - 1,
    )
