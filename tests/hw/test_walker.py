"""Every step of the walker against six loops in Python."""

import random
from itertools import product

import pytest

from nhot.compiler import EngineConfig
from nhot.contract.program import Descriptor, Operation
from nhot_hw.engine.walker import Walker
from nhot_sim.streams import simulate

# Steps of one cycle, of two and of three; one pixel and several.
CONFIGS = [
    EngineConfig(activation_words=64, weight_words=64),
    EngineConfig(pixels=2, lane="serial", activation_words=200, weight_words=50),
    EngineConfig(pixels=3, lane="serial", format="3hot", activation_words=48, weight_words=40),
]
LOOPS = ("last_tile", "last_row", "last_column", "last_tap_y", "last_tap_x", "last_word")
JUMPS = ("jump_x", "jump_y", "jump_column", "jump_row", "jump_tile")
MOVES = ("step_x", "step_y", "stride_x", "stride_y", "column_step", "pad_x", "pad_y")


def any_layer(source: random.Random) -> Descriptor:
    """Loops of a few turns, many of one; jumps of all kinds; windows in, across and off the map."""
    return Descriptor(
        operation=Operation.ARRAY, weight_address=source.randrange(20),
        **{name: source.choice([0, 0, 1, 2]) for name in LOOPS},
        **{name: source.randrange(1 << 16) for name in (*JUMPS, "input_address", "lane_step")},
        **{name: source.randrange(4) for name in MOVES},
        **{name: source.randrange(1, 8) for name in ("width", "height")},
    )


def walk(layer: Descriptor, config: EngineConfig):
    """What the walker says in each cycle of a step, and where the pixels stand after a window."""
    turns = [getattr(layer, name) for name in LOOPS]
    jumps = [1, *(getattr(layer, name) for name in JUMPS), 0]
    base, weight = layer.input_address, layer.weight_address
    for tile, row, column, tap_y, tap_x, word in product(*(range(turn + 1) for turn in turns)):
        ends = [
            index == turn for index, turn in
            zip((word, tap_x, tap_y, column, row, tile), reversed(turns), strict=True)
        ]
        y = row * layer.stride_y + tap_y * layer.step_y - layer.pad_y
        x = column * layer.column_step + tap_x * layer.step_x - layer.pad_x
        pixels = [
            ((base + pixel * layer.lane_step) % (1 << config.activation_address_bits),
             0 <= y < layer.height and 0 <= x + pixel * layer.stride_x < layer.width)
            for pixel in range(config.pixels)
        ]
        first, last = word == tap_x == tap_y == 0, all(ends[:3])
        place = (ends[3], all(ends[:4]), ends[5], all(ends[:5])) if last else None
        for phase in range(config.step_cycles):
            is_last = last and phase == config.step_cycles - 1
            word = weight % (1 << config.weight_address_bits)
            yield phase, first, is_last, word, pixels, place if is_last else None
        base += jumps[[*ends, False].index(False)]
        weight += 1
        if last and not all(ends[:5]):  # the next pixels have the same weights
            weight -= (layer.last_tap_y + 1) * (layer.last_tap_x + 1) * (layer.last_word + 1)


def walked(config: EngineConfig, layers: list[Descriptor]) -> list[list[tuple]]:
    """The same of the walker, layer by layer, with pauses before the last step of a window."""
    dut = Walker(config)
    source = random.Random(2)
    seen = []

    async def bench(ctx):
        for layer in layers:
            ctx.set(dut.i_descriptor.as_value(), int.from_bytes(layer.pack(), "little"))
            for _ in range(config.pixels):
                await ctx.tick()
            ctx.set(dut.i_start, 1)
            await ctx.tick()
            ctx.set(dut.i_start, 0)
            seen.append([])
            while ctx.get(dut.o_busy):
                ctx.set(dut.i_ready, source.random() < 0.7)
                assert ctx.get(dut.o_stalled) != ctx.get(dut.o_valid)
                if ctx.get(dut.o_valid):
                    seen[-1].append(said(ctx))
                await ctx.tick()

    def said(ctx):
        step, pixel = ctx.get(dut.o_step), ctx.get(dut.o_pixel)
        place = (pixel.last_column, pixel.row_end, pixel.last_tile, pixel.tile_end)
        pixels = list(zip(step.address, step.inside, strict=True))
        if step.last:
            assert ctx.get(dut.i_ready) or step.phase
        return (
            step.phase, step.first, step.last, step.weight, pixels, place if step.last else None
        )

    simulate(dut, bench, patience=5000)
    return seen


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.step_cycles}-cycles")
def test_every_step_is_that_of_six_loops(config):
    source = random.Random(config.step_cycles)
    layers = [any_layer(source) for _ in range(12)]
    for layer, got in zip(layers, walked(config, layers), strict=True):
        wanted = list(walk(layer, config))
        assert got == wanted, layer
