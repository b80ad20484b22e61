"""The engine's memories through its loader, against the same memories in Python."""

import random

import pytest

from nhot.compiler import EngineConfig
from nhot.contract.memories import timing_words
from nhot.contract.program import DESCRIPTOR_WORDS, Region
from nhot_hw.engine import Engine
from nhot_sim.board_model import EngineMemory
from nhot_sim.streams import get_all, monitor, put, put_all, simulate

# Codes of 1, 2, 4, 6, 7 and 8 bits; fields of one byte and of three; words of one byte and of many;
# depths of all kinds.
CONFIGS = [
    EngineConfig(format="signed-binary", filters=3, inputs=1, activation_words=40, weight_words=16),
    EngineConfig(format="signed-binary/6", filters=4, inputs=2, weight_words=18),
    EngineConfig(format="ternary", filters=2, inputs=6, requantisers=2, weight_words=17),
    EngineConfig(format="1hot", filters=1, inputs=3, requant_words=33, weight_words=19),
    EngineConfig(format="2hot", filters=4, inputs=4, requantisers=4, weight_words=16),
    EngineConfig(format="int8", pixels=2, filters=1, inputs=2, program_words=32, weight_words=16),
    EngineConfig(format="5hot", filters=1, inputs=2, weight_words=16),
]
# Words of weights and records so wide that their memories write a cycle later.
WIDE = EngineConfig(format="int6", filters=9, inputs=9, requantisers=9, weight_words=16)


def test_there_are_two_times_a_layer():
    assert timing_words(EngineConfig(program_words=256)) == 2 * (256 // DESCRIPTOR_WORDS)


def write(region: int, address: int, data: bytes) -> tuple:
    return 1, region, address, data


def read(region: int, address: int, length: int) -> tuple:
    return 0, region, address, length


def codes(source: random.Random, config: EngineConfig, words: int) -> bytes:
    """Weight words whose codes all stand for levels, with padding bits of zero."""
    fmt = config.weight_format
    data = b""
    for _ in range(words):
        word = 0
        for i in range(config.word_codes):
            word |= source.randrange(len(fmt.field_table)) << (i * fmt.code_bits)
        data += word.to_bytes(config.code_bytes, "little")
    return data


def random_write(source: random.Random, config: EngineConfig, memory: EngineMemory) -> tuple:
    """Whole words and, half of the time, a part of one behind them; now and then beyond the end."""
    region = source.choice([Region.PROGRAM, Region.REQUANT, Region.WEIGHTS, Region.ACTIVATIONS])
    size = memory.word_bytes[region]
    depth = len(memory.data[region]) // size
    address = source.choice([0, source.randrange(depth), depth - 1, depth, 0xFFFF])
    words = source.randrange(4)
    data = codes(source, config, words + 1)
    if region != Region.WEIGHTS:
        data = source.randbytes(size * (words + 1))
    part = source.choice([0, source.randrange(size)])
    return write(region, address, data[: words * size + part])


def checked(config: EngineConfig, accesses: list[tuple], *, pause: float = 0.0) -> None:
    """Every read gives what the same memories in Python give, whatever was written before."""
    dut, memory = Engine(config), EngineMemory(config)
    # Weights that were never loaded are fields of zeros, which may be those of no code.
    fill = codes(random.Random(0), config, config.weight_words)
    accesses = [write(Region.WEIGHTS, 0, fill), *accesses]

    async def host(ctx):
        for number, (is_write, region, address, what) in enumerate(accesses):
            length = len(what) if is_write else what
            await put(ctx, dut.host.access, {
                "write": is_write, "region": region, "address": address, "length": length,
            })
            if is_write:
                await put_all(ctx, dut.host.write, what, pause=pause, seed=number)
                memory.write(region, address, what)
            else:
                got = bytes(await get_all(ctx, dut.host.read, what, pause=pause, seed=number))
                assert got == memory.read(region, address, what), (number, region, address)

    simulate(dut, host, background=[monitor(dut.host.read)])


@pytest.mark.parametrize("config", [*CONFIGS, WIDE], ids=lambda config: config.format)
@pytest.mark.parametrize("pause", [0.0, 0.3])
def test_accesses_are_those_of_the_model(config, pause):
    source = random.Random(f"{config.format} {pause}")
    memory = EngineMemory(config)
    accesses = []
    for _ in range(12):
        accesses.append(random_write(source, config, memory))
        region = accesses[-1][1]
        size = config.word_codes if region == Region.WEIGHTS else 4
        accesses.append(read(region, 0, source.choice([1, size, 3 * size + 1])))
    accesses += [
        read(region, max(0, len(memory.data[region]) // memory.word_bytes[region] - 2), 2 * size)
        for region, size in (
            (Region.PROGRAM, 4), (Region.REQUANT, 4 * config.requantisers),
            (Region.ACTIVATIONS, config.inputs),
        )
    ]
    checked(config, accesses, pause=pause)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.format)
def test_a_part_of_a_word_is_dropped_and_leaves_nothing_behind(config):
    """Cut after each byte of a word: the access ends, and the next one begins anew."""
    source = random.Random(config.format)
    accesses = []
    for region, size in (
        (Region.PROGRAM, 4), (Region.REQUANT, 4 * config.requantisers),
        (Region.WEIGHTS, config.code_bytes), (Region.ACTIVATIONS, config.inputs),
    ):
        stored = config.word_codes if region == Region.WEIGHTS else size
        for cut in range(1, size + 1):
            whole = [codes(source, config, 1) if region == Region.WEIGHTS
                     else source.randbytes(size) for _ in range(3)]
            accesses += [
                write(region, 0, whole[0] + whole[1][:cut]), write(region, 2, whole[2]),
                read(region, 0, stored), read(region, 2, stored),
            ]
    checked(config, accesses)


def test_an_empty_access_takes_and_gives_nothing():
    config = CONFIGS[0]
    checked(config, [
        write(Region.WEIGHTS, 0, b""), write(Region.ACTIVATIONS, 3, b"a"),
        read(Region.ACTIVATIONS, 3, 0), read(Region.ACTIVATIONS, 3, 1),
    ])


@pytest.mark.parametrize("region", [*range(max(Region) + 1, 8)])
def test_an_unknown_region_is_zeros(region):
    config = CONFIGS[0]
    dut = Engine(config)

    async def host(ctx):
        for is_write in (1, 0):
            await put(ctx, dut.host.access, {
                "write": is_write, "region": region, "address": 0, "length": 5,
            })
            if is_write:
                await put_all(ctx, dut.host.write, b"abcde")
            else:
                assert await get_all(ctx, dut.host.read, 5) == [0] * 5

    simulate(dut, host)
