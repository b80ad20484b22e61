# amaranth: UnusedElaboratable=no
"""The flash reader against a flash, clock by clock; what a record in a flash may be."""

import random
import zlib
from dataclasses import replace

import pytest
from amaranth.back import rtlil
from amaranth.hdl import ResetInserter, Signal

from nhot.compiler import EngineConfig, compile_network
from nhot.contract.program import Region
from nhot.device import cobs
from nhot.device import flash_record as flash_records
from nhot.device.areas import image_areas
from nhot.device.flash_record import HEADER, MAGIC, flash_record, length_bits, longest_frames
from nhot.device.protocol import Opcode, Request
from nhot.errors import NhotError
from nhot.testing.engine_networks import sample_network
from nhot_hw.io import FlashBoot, FlashReader
from nhot_hw.io import flash as flash_io
from nhot_sim.board_model import BoardModel, EngineMemory
from nhot_sim.flash_model import FlashModel
from nhot_sim.streams import simulate

CONFIG = EngineConfig()
IMAGE = compile_network(sample_network("2hot"), CONFIG)
CONTENTS = random.Random("flash").randbytes(64)
START = 0xABCDE0


async def play(ctx, dut, flash, period):
    """The flash at the reader's pins."""
    selected, clock, now = 0, 0, 0.0
    while True:
        _, _, cs_n, clk, copi = await ctx.tick().sample(
            dut.pins.cs_n, dut.pins.clk, dut.pins.copi
        )
        now += period
        if selected == cs_n:
            (flash.deselect if cs_n else flash.select)(now)
            selected = not cs_n
        if clk != clock:
            clock = clk
            if clk:
                flash.clock_up(copi, now)
            else:
                ctx.set(dut.pins.cipo, flash.clock_down(now))


@pytest.mark.parametrize("clock_hz", [1_000_000, 24_000_000, 60_000_000])
def test_reader_reads_from_an_address_on_and_again(clock_hz, monkeypatch):
    """In the times that flashes want, at any clock; bytes wait for who takes them."""
    monkeypatch.setattr(flash_io, "_PAUSE_SECONDS", 1.2e-4)  # above what the model wants
    stop = Signal()
    reader = FlashReader(clock_hz=clock_hz)
    dut = ResetInserter(stop)(reader)
    flash = FlashModel({START: CONTENTS})
    source = random.Random(clock_hz)
    read = []

    async def take(ctx):
        for offset in (0, 9):
            ctx.set(reader.i_address, START + offset)
            got = bytearray()
            while len(got) < 12:
                ctx.set(reader.o.ready, source.random() < 0.2)
                _, _, valid, ready, byte = await ctx.tick().sample(
                    reader.o.valid, reader.o.ready, reader.o.payload
                )
                if valid and ready:
                    got.append(byte)
            read.append(bytes(got))
            ctx.set(stop, 1)
            await ctx.tick()
            ctx.set(stop, 0)

    async def pins(ctx):
        await play(ctx, reader, flash, 1e9 / clock_hz)

    simulate(dut, take, background=[pins])
    assert read == [CONTENTS[:12], CONTENTS[9:21]]
    assert flash.reads == 2


def model_gives(flash, *command, now=0.0):
    """What a command is answered with, in two bytes."""
    bits = "".join(f"{byte:08b}" for byte in command) + 16 * "0"
    flash.select(now)
    out = 0
    for bit in bits:
        flash.clock_up(int(bit), now := now + 50)
        out = out << 1 | flash.clock_down(now := now + 50)
    flash.deselect(now + 50)
    return out >> 1 & 0xFFFF  # a bit leaves with the edge before the one at which it is read


@pytest.mark.parametrize(("command", "options", "answer"), [
    ((0x03, 0, 0, 5), {}, 0x1234),
    ((0x0B, 0, 0, 5, 0), {}, 0x1234),
    ((0x0B, 0, 0, 5), {}, 0xFF12),
    ((0x03, 0, 0, 6), {}, 0x34FF),
    ((0x05,), {}, 0xFFFF),
    ((0x03, 0, 0, 5), {"asleep": True}, 0xFFFF),
    ((0x03, 0, 0, 5), {"power_up": 1e6}, 0xFFFF),
    ((0x03, 0, 0, 5), {"damage": lambda read, address, byte: byte ^ read ^ address}, 0x1633),
])
def test_the_model_is_a_flash(command, options, answer):
    """Dummy cycles, erased bytes, and silence for what it does not hear or know."""
    flash = FlashModel({5: b"\x12\x34"}, **({"asleep": False} | options))
    assert model_gives(flash, *command) == answer


def test_the_model_sleeps_and_wakes():
    """The command alone wakes it, after its time; and what no flash allows is an error."""
    flash = FlashModel({0: b"\x12\x34"})

    def send(byte, now):
        flash.select(now)
        for bit in f"{byte:08b}":
            flash.clock_up(int(bit), now := now + 50)
            flash.clock_down(now := now + 50)
        flash.deselect(now)

    send(0xAB, 0.0)
    assert model_gives(flash, 3, 0, 0, 0, now=50e3) == 0xFFFF
    assert model_gives(flash, 3, 0, 0, 0, now=200e3) == 0x1234
    send(0xB9, 300e3)
    assert model_gives(flash, 3, 0, 0, 0, now=400e3) == 0xFFFF
    flash.select(500e3)
    flash.clock_up(0, 500e3)
    with pytest.raises(AssertionError, match="Half a clock of the flash must be 25"):
        flash.clock_down(500e3 + 20)
    flash.deselect(600e3)
    with pytest.raises(AssertionError, match="deselected for 100"):
        flash.select(600e3 + 50)


def frames_of(record):
    return [Request.from_bytes(frame) for frame in record[HEADER.size : -4].split(b"\0")[:-1]]


def test_a_record_is_what_a_host_would_say():
    """A board that hears it holds the image; the first word of the program comes last of all."""
    record = flash_record(IMAGE)
    memory = EngineMemory(CONFIG)
    board = BoardModel(target_id=1, memory=memory)
    answers = board.answer(record[HEADER.size : -4])
    frames = frames_of(record)
    assert answers.count(b"\0") == len(frames)
    for region, data in (
        (Region.PROGRAM, IMAGE.program), (Region.REQUANT, IMAGE.requant),
        (Region.WEIGHTS, IMAGE.weights),
    ):
        assert bytes(memory.data[region][: len(data)]) == data
    assert {frame.opcode for frame in frames} == {Opcode.WRITE}
    ends = [index for index, frame in enumerate(frames)
            if (frame.region, frame.address) == (Region.PROGRAM, 0)]
    assert ends == [len(frames) - 1]


def test_a_record_says_what_it_is():
    record = flash_record(IMAGE)
    assert HEADER.unpack_from(record) == (MAGIC, CONFIG.target_id, len(record) - HEADER.size - 4)
    assert zlib.crc32(record[:-4]) == int.from_bytes(record[-4:], "little")


@pytest.mark.parametrize("config", [
    CONFIG, EngineConfig(filters=16, inputs=16, requantisers=16, format="2hot"),
    EngineConfig(filters=4, inputs=8, format="signed-binary", weight_words=4096),
], ids=lambda config: config.format)
def test_a_full_engine_has_a_length_that_is_read(config, monkeypatch):
    """The longest that there can be: every word of every memory, in as many frames."""
    image = compile_network(sample_network(config.format), config)
    full = [
        replace(area, data=b"\1" * (depth * area.word))
        for area, depth in zip(
            image_areas(image), (config.program_words, config.requant_words, config.weight_words),
            strict=True,
        )
    ]
    monkeypatch.setattr(flash_records, "image_areas", lambda image: full)
    length = len(flash_record(image)) - HEADER.size - 4
    sent = [cobs.decode(request.to_bytes()[:-1]) for area in full for request in area.requests()]
    longest = sum(len(cobs.encode(b"\1" * len(frame))) + 1 for frame in sent)
    assert length <= longest == longest_frames(config)
    assert longest < 1 << length_bits(config) <= 2 * longest


def test_the_longest_record_can_be_counted():
    boot = FlashBoot(target_id=1, clock_hz=12_000_000, address=0, length_bits=12)
    frames, checksum = (1 << 12) - 1, 4
    assert frames + checksum < 1 << len(boot._left)
    rtlil.convert(boot)  # parts that are never elaborated are complained about


def test_a_record_must_lie_in_the_flash():
    for address in (-1, (1 << 24) - (1 << 12)):
        with pytest.raises(NhotError, match="Address of a record of up to 4096 bytes"):
            FlashBoot(target_id=1, clock_hz=12_000_000, address=address, length_bits=12)
    with pytest.raises(NhotError, match="Clock must be positive"):
        FlashReader(clock_hz=0)
