"""Where bytes go: words counted by R outputs, pixel, row and tile, against sums in Python."""

import random
from itertools import product

import pytest

from nhot.compiler import EngineConfig
from nhot.contract.program import Descriptor, Operation
from nhot_hw.engine.destinations import DestinationCounter
from nhot_hw.engine.slot import Ends
from nhot_sim.streams import simulate

# As many filters as inputs, fewer and more; depths that are a power of two and not.
CONFIGS = [
    EngineConfig(pixels=2, activation_words=64),
    EngineConfig(pixels=3, filters=2, inputs=8, activation_words=50),
    EngineConfig(filters=8, inputs=2, requantisers=2, activation_words=100),
]


def any_layer(source: random.Random, config: EngineConfig) -> tuple[Descriptor, list[int]]:
    """A layer of few pixels, in rows that may lie anywhere, and the pixels of its groups."""
    operation = source.choice([Operation.ARRAY, Operation.MAX])
    array = operation is Operation.ARRAY
    groups = (config.filters if array else config.inputs) // config.requantisers
    layer = Descriptor(
        operation=operation, last_row=source.randrange(3), last_column=source.randrange(3),
        last_tile=source.randrange(3), tail_groups=source.randint(1, groups),
        tail_pixels=source.randint(1, config.pixels if array else 1),
        output_address=source.randrange(config.activation_words),
        pixel_words=source.choice([0, 1, 2, config.activation_words - 1]),
        row_words=source.choice([0, 1, 7, config.activation_words - 1]),
    )
    return layer, [config.pixels if array else 1] * layer.last_column + [layer.tail_pixels]


def slots(layer: Descriptor, pixels: list[int], config: EngineConfig):
    """The ends of each slot, whether its row ends, and its word and lanes."""
    array = layer.operation is Operation.ARRAY
    outputs = config.filters if array else config.inputs
    full, between = outputs // config.requantisers, layer.row_words or layer.pixel_words
    row_words = (sum(pixels) - 1) * layer.pixel_words + between
    per_word = config.inputs // config.requantisers
    for tile, row, column in product(*(range(n + 1) for n in (layer.last_tile, layer.last_row,
                                                              layer.last_column))):
        groups = layer.tail_groups if tile == layer.last_tile else full
        row_end = column == layer.last_column
        for pixel, group in product(range(pixels[column]), range(groups)):
            ends = Ends.VALUE
            if group == groups - 1:
                ends = Ends.PIXEL
                if pixel == pixels[column] - 1:
                    ends = Ends.GROUP
                    if row_end and row == layer.last_row:
                        ends = Ends.LAYER if tile == layer.last_tile else Ends.TILE
            place = sum(pixels[:column]) + pixel
            word, lanes = divmod(tile * full + group, per_word)
            yield ends, row_end, (
                layer.output_address + row * row_words + place * layer.pixel_words + word, lanes
            )


@pytest.mark.parametrize("config", CONFIGS, ids=["square", "narrow", "wide"])
def test_every_word(config):
    source = random.Random(11)
    dut = DestinationCounter(config)
    seen = set()

    async def bench(ctx):
        for _ in range(60):
            layer, pixels = any_layer(source, config)
            raw = int.from_bytes(layer.pack(), "little")
            ctx.set(dut.i_descriptor.as_value(), raw)
            ctx.set(dut.i_start, 1)
            await ctx.tick()
            ctx.set(dut.i_start, 0)
            for ends, row_end, (word, lanes) in slots(layer, pixels, config):
                # A cycle without an end changes nothing; a row ends with its last group alone.
                for now in (Ends.NOTHING, ends):
                    ctx.set(dut.i_slot.ends, now)
                    ctx.set(dut.i_slot.row_end, row_end)
                    await ctx.tick()
                    ctx.set(dut.i_slot.ends, Ends.NOTHING)
                    beyond = word >= config.activation_words
                    assert ctx.get(dut.o_beyond) == (beyond and now == ends)
                    if not beyond:
                        assert ctx.get(dut.o_destination.address) == word
                        assert ctx.get(dut.o_destination.lanes) == lanes
                    await ctx.tick()
                seen.add("beyond" if beyond else (ends, layer.row_words > 0))
                if beyond:  # which stops the engine
                    break

    simulate(dut, bench)
    assert {(Ends.GROUP, True), (Ends.GROUP, False), "beyond"} < seen
