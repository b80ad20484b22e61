# amaranth: UnusedElaboratable=no
"""The serial port's two halves, alone and against each other."""

from __future__ import annotations

import random

import pytest

from nhot.errors import NhotError
from nhot_hw.io import UartReceiver, UartTransmitter, uart_divisor
from nhot_sim.streams import get, monitor, put, put_all, simulate

SOURCE = random.Random("uart")
DATA = bytes([0, 0xFF, 0x55, 0xAA, 1, 0x80, *SOURCE.randbytes(10)])


def bits(byte: int) -> list[int]:
    return [0, *(byte >> i & 1 for i in range(8)), 1]


async def drive(ctx, line, levels, bit_time: float, start: float = 0.0):
    """Put ``levels`` on the line, one ``bit_time`` cycles each; returns the fraction left over."""
    due = start
    for level in levels:
        ctx.set(line, level)
        due += bit_time
        whole, due = int(due), due - int(due)
        for _ in range(whole):
            await ctx.tick()
    return due


@pytest.mark.parametrize("divisor", [4, 5, 12, 13])
def test_transmitter_takes_ten_bit_times_a_byte(divisor):
    dut = UartTransmitter(divisor)
    levels = []

    async def write(ctx):
        await put_all(ctx, dut.i, DATA)

    async def watch(ctx):
        while True:
            _, _, level = await ctx.tick().sample(dut.tx)
            levels.append(level)

    async def wait(ctx):
        await ctx.tick().repeat(10 * divisor * len(DATA) + 3 * divisor)

    simulate(dut, write, wait, background=[watch])
    start = levels.index(0)
    expected = [level for byte in DATA for level in bits(byte) for _ in range(divisor)]
    assert levels[:start] == [1] * start
    assert levels[start : start + len(expected)] == expected
    assert set(levels[start + len(expected) :]) == {1}


@pytest.mark.parametrize(("divisor", "error"), [
    (4, 0.0), (5, 0.0), (12, 0.0), (12, 0.02), (12, -0.02), (13, 0.02), (25, -0.02), (25, 0.03),
])
def test_receiver_takes_back_to_back_bytes(divisor, error):
    """Also from a sender whose clock is off by a few percent."""
    dut = UartReceiver(divisor)
    taken = []

    async def send(ctx):
        await drive(ctx, dut.rx, [1, 1], divisor)
        rest = 0.0
        for byte in DATA:
            rest = await drive(ctx, dut.rx, bits(byte), divisor * (1 + error), rest)
        await drive(ctx, dut.rx, [1, 1], divisor)

    async def receive(ctx):
        while len(taken) < len(DATA):
            taken.append(await get(ctx, dut.o))

    simulate(dut, send, receive, background=[monitor(dut.o)])
    assert bytes(taken) == DATA


def test_receiver_drops_glitches_and_bytes_without_a_stop_bit():
    dut = UartReceiver(8)
    taken = []

    async def send(ctx):
        await drive(ctx, dut.rx, [1], 20)
        await drive(ctx, dut.rx, [0], 3)  # too short for a start bit
        await drive(ctx, dut.rx, [1], 20)
        await drive(ctx, dut.rx, [*bits(0x41)[:9], 0, 1, 1], 8)
        await drive(ctx, dut.rx, bits(0x42), 8)
        await drive(ctx, dut.rx, [0], 200)  # a break
        await drive(ctx, dut.rx, [1], 20)
        await drive(ctx, dut.rx, [*bits(0x43), 1], 8)

    async def receive(ctx):
        while len(taken) < 2:
            taken.append(await get(ctx, dut.o))

    simulate(dut, send, receive)
    assert taken == [0x42, 0x43]


def test_receiver_keeps_the_first_byte_that_nobody_takes():
    dut = UartReceiver(4)

    async def send(ctx):
        for byte in (1, 2, 3):
            await drive(ctx, dut.rx, bits(byte), 4)
        await drive(ctx, dut.rx, [1], 8)
        assert await get(ctx, dut.o) == 1
        await drive(ctx, dut.rx, [*bits(4), 1], 4)
        assert await get(ctx, dut.o) == 4

    simulate(dut, send, background=[monitor(dut.o)])


def test_transmitter_idles_high_between_bytes():
    dut = UartTransmitter(4)

    async def write(ctx):
        for _ in range(20):
            assert ctx.get(dut.tx) == 1
            await ctx.tick()
        await put(ctx, dut.i, 0)
        assert ctx.get(dut.tx) == 0

    simulate(dut, write)


@pytest.mark.parametrize(("clock", "baud", "divisor"), [
    (12_000_000, 1_000_000, 12), (25_000_000, 1_000_000, 25), (27_000_000, 1_000_000, 27),
    (48_000_000, 1_000_000, 48), (100_000_000, 1_000_000, 100), (12_000_000, 115_200, 104),
    (25_000_000, 115_200, 217), (4, 1, 4),
])
def test_divisor(clock, baud, divisor):
    assert uart_divisor(clock, baud) == divisor


@pytest.mark.parametrize(("clock", "baud"), [
    (25_000_000, 3_000_000), (12_000_000, 4_000_000), (1000, 1_000_000), (1, 9600),
])
def test_divisor_that_does_not_fit(clock, baud):
    with pytest.raises(NhotError, match=f"Baud rate must divide the clock of {clock} Hz"):
        uart_divisor(clock, baud)


def test_arguments_are_checked():
    for clock, baud in ((0, 9600), (9600, 0)):
        with pytest.raises(NhotError, match=f"must be positive, not {clock} and {baud}"):
            uart_divisor(clock, baud)
    with pytest.raises(NhotError, match="Divisor must be at least 4 cycles a bit, not 3"):
        UartReceiver(3)
    with pytest.raises(TypeError, match="Divisor must be an int"):
        UartTransmitter(4.0)
