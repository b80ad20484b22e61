# amaranth: UnusedElaboratable=no
"""The gateware's COBS, checksum and replay queue against their software."""

from __future__ import annotations

import random
import zlib

import pytest

from nhot.device import cobs
from nhot.errors import NhotError
from nhot_hw.io import CobsDecoder, CobsEncoder, ReplayFifo, SerialCrc
from nhot_sim.streams import get, get_all, monitor, put_all, simulate

SOURCE = random.Random("cobs")
FRAMES = [
    b"", b"\0", b"\0\0", b"a", b"a\0", b"\0a", b"ab\0cd", bytes(5),
    bytes([1] * 253), bytes([1] * 254), bytes([1] * 255), bytes([1] * 254) + b"\0",
    bytes([1] * 254) + b"\0x", b"\0" + bytes([255] * 254), bytes(range(256)),
    *(SOURCE.randbytes(SOURCE.randrange(40)) for _ in range(6)),
]
STUFFED = b"".join(cobs.encode(frame) + b"\0" for frame in FRAMES)


@pytest.mark.parametrize("pause", [0.0, 0.4])
def test_encoder_is_the_softwares(pause):
    dut = CobsEncoder()
    taken = []

    async def write(ctx):
        items = [
            item for frame in FRAMES
            for item in [*({"data": byte, "end": 0} for byte in frame), {"data": 0x55, "end": 1}]
        ]
        await put_all(ctx, dut.i, items, pause=pause)

    async def read(ctx):
        taken.extend(await get_all(ctx, dut.o, len(STUFFED), pause=pause))

    simulate(dut, write, read, background=[monitor(dut.o)])
    assert bytes(taken) == STUFFED


def test_encoder_holds_a_frame_while_nobody_takes_it():
    """Its ring fills with whole runs, then it waits: nothing is lost and nothing wedges."""
    dut = CobsEncoder()
    frame = bytes(1 + i % 251 for i in range(600))  # so that a byte in another's place is seen
    taken = []

    async def write(ctx):
        await put_all(ctx, dut.i, [*({"data": byte} for byte in frame), {"end": 1}])

    async def read(ctx):
        for _ in range(900):
            await ctx.tick()
        taken.extend(await get_all(ctx, dut.o, len(frame) + 4))

    simulate(dut, write, read)
    assert bytes(taken) == cobs.encode(frame) + b"\0"


@pytest.mark.parametrize("pause", [0.0, 0.4])
def test_decoder_is_the_softwares(pause):
    dut = CobsDecoder()
    frames = []

    async def write(ctx):
        await put_all(ctx, dut.i, STUFFED, pause=pause)

    async def read(ctx):
        frame = bytearray()
        while len(frames) < len(FRAMES):
            item = (await get_all(ctx, dut.o, 1, pause=pause, seed=len(frame)))[0]
            assert not (item.end and item.torn)
            if item.end:
                frames.append(bytes(frame))
                frame.clear()
            else:
                frame.append(item.data)

    simulate(dut, write, read, background=[monitor(dut.o)])
    assert frames == FRAMES


def test_decoder_marks_torn_frames():
    dut = CobsDecoder()
    torn = []

    async def write(ctx):
        await put_all(ctx, dut.i, b"\x03a\0" + b"\x02a\0" + b"\x05\0" + b"\xff12\0" + b"\x01\0")

    async def read(ctx):
        while len(torn) < 5:
            item = await get(ctx, dut.o)
            if item.end:
                torn.append(item.torn)

    simulate(dut, write, read)
    assert torn == [1, 0, 1, 1, 0]


def test_crc_is_zlibs_and_drains_low_byte_first():
    dut = SerialCrc()
    source = random.Random("crc")

    async def settle(ctx):
        while not ctx.get(dut.i.ready):
            await ctx.tick()

    async def bench(ctx):
        for length in (0, 1, 2, 30):
            data = source.randbytes(length)
            ctx.set(dut.i_start, 1)
            await ctx.tick()
            ctx.set(dut.i_start, 0)
            await put_all(ctx, dut.i, data)
            await settle(ctx)
            assert ctx.get(dut.o_crc) == zlib.crc32(data)
            ctx.set(dut.i_drain, 1)
            drained = bytearray()
            for _ in range(4):
                drained.append(ctx.get(dut.o_crc) & 0xFF)
                await put_all(ctx, dut.i, drained[-1:])
                await settle(ctx)
            ctx.set(dut.i_drain, 0)
            assert bytes(drained) == zlib.crc32(data).to_bytes(4, "little")
            for tail, match in ((drained, 1), (drained[::-1], 0)):
                ctx.set(dut.i_start, 1)
                await ctx.tick()
                ctx.set(dut.i_start, 0)
                await put_all(ctx, dut.i, data + tail)
                await settle(ctx)
                assert ctx.get(dut.o_match) == (match or tail == tail[::-1])

    simulate(dut, bench)


def test_replay_fifo_against_a_list():
    """Random traffic, rewinds and releases, against a list with two positions."""
    dut = ReplayFifo(16)
    source = random.Random("replay")
    sent = []
    seen = [0, 0]  # oldest, next

    async def write(ctx):
        for number in range(300):
            await put_all(ctx, dut.i, [number & 0xFF], pause=0.3, seed=number)
            sent.append(number & 0xFF)

    async def read(ctx):
        while seen[0] < 300:
            for _ in range(min(source.randrange(8), 300 - seen[1])):
                if seen[1] - seen[0] == 15:
                    break
                byte = (await get_all(ctx, dut.o, 1, pause=0.3, seed=seen[1]))[0]
                assert byte == seen[1] & 0xFF
                seen[1] += 1
            action = source.choice(["rewind", "forget", ""])
            if action:
                port = dut.i_rewind if action == "rewind" else dut.i_forget
                ctx.set(port, 1)
                await ctx.tick()
                ctx.set(port, 0)
                seen[action == "rewind"] = seen[action == "forget"]

    simulate(dut, write, read)
    assert seen == [300, 300]


def test_depths_are_checked():
    with pytest.raises(NhotError, match="Encoder depth must be a power of two from 512, not 500"):
        CobsEncoder(500)
    for depth in (2, 3, 6, 500):
        text = f"Queue depth must be a power of two from 4, not {depth}"
        with pytest.raises(NhotError, match=text):
            ReplayFifo(depth)
    ReplayFifo(4)
