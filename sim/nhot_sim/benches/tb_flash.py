"""Bench of an engine that loads itself from a flash: sound records, all others, and no flash."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge, Timer
from cocotb.utils import get_sim_time

from nhot.compiler import Image
from nhot.contract.cycles import run_limit
from nhot.contract.program import Region, unpack_program
from nhot.device.areas import image_areas
from nhot.device.flash_record import HEADER, MAGIC, flash_record
from nhot.device.protocol import MAX_PAYLOAD, Boot, Opcode, Request, Response, State
from nhot_sim.benches.tb_link import SOUND
from nhot_sim.benches.tb_top import Bench as TopBench
from nhot_sim.flash_model import Damage, FlashModel
from nhot_sim.runner import bench_parameters

ADDRESS = 0x123456
PERIOD = 1000  # ns; the top is made for 1 MHz, so that pauses are short
GREETINGS = 200
SLOW_NS = 3_000_000  # a flash that is not there at the first try


class Bench(TopBench):
    """A host that waits until the board is no longer deaf, and a flash."""

    period = PERIOD

    async def plug_in(self, contents: dict[int, bytes], **options: Any) -> None:
        """Begin with this flash at the pins; from the second time on, by a reset."""
        self.dut.flash__cipo.value = 1
        if hasattr(self, "flash"):
            self.dut.rst.value = 1
            await Timer(5 * PERIOD, unit="ns")
            self.flash = FlashModel(contents, **options)
            self.dut.rst.value = 0
            return
        self.flash = FlashModel(contents, **options)
        for edge in (self._select, self._clock_up, self._clock_down):
            cocotb.start_soon(edge())
        await self.start()

    async def _select(self) -> None:
        while True:
            await FallingEdge(self.dut.flash__cs_n)
            self.flash.select(get_sim_time("ns"))
            await RisingEdge(self.dut.flash__cs_n)
            self.flash.deselect(get_sim_time("ns"))

    async def _clock_up(self) -> None:
        while True:
            await RisingEdge(self.dut.flash__clk)
            self.flash.clock_up(int(self.dut.flash__copi.value), get_sim_time("ns"))

    async def _clock_down(self) -> None:
        while True:
            await FallingEdge(self.dut.flash__clk)
            self.dut.flash__cipo.value = self.flash.clock_down(get_sim_time("ns"))

    async def boot(self) -> Boot:
        """Ask for what came of it, as often as a host whose requests are not heard."""
        request = Request(opcode=Opcode.BOOT, sequence=self.sequence).to_bytes()
        for _ in range(GREETINGS):
            await self.send(self.random.randbytes(20).replace(SOUND, b"") + SOUND + request)
            answer = await self.quiet()
            if answer:
                response = Response.from_bytes(answer.removesuffix(SOUND))
                assert response.sequence == self.sequence
                return Boot(response.payload[0])
        raise AssertionError("Board must listen to its host in the end")

    async def memories(self, image: Image) -> dict[Region, bytes]:
        """What the words hold that ``image`` would fill."""
        held = {}
        for area in image_areas(image):
            step = MAX_PAYLOAD // area.stored_word * area.stored_word
            held[area.region] = b"".join([
                await self.read(area.region, start // area.stored_word,
                                min(step, len(area.stored) - start))
                for start in range(0, len(area.stored), step)
            ])
        return held


def stored(image: Image) -> dict[Region, bytes]:
    """What the words must hold that ``image`` fills."""
    return {area.region: area.stored for area in image_areas(image)}


@cocotb.test(timeout_time=10, timeout_unit="sec")
async def network_loads_itself_and_runs(dut: Any) -> None:
    """At power-up, from a flash that sleeps or is slow, beside a line full of noise."""
    parameters = bench_parameters()
    image = Image.from_bytes(Path(parameters["image"]).read_bytes())
    bench = Bench(dut)
    record = {ADDRESS: flash_record(image), 0: flash_record(image)[:40]}
    for options in ({"power_up": SLOW_NS}, {"asleep": False}):
        await bench.plug_in(record, **options)
        assert await bench.boot() == Boot.LOADED
        assert await bench.memories(image) == stored(image)
    with np.load(parameters["wanted"]) as wanted:
        inputs = wanted[image.meta.input.name]
        for index in range(len(inputs)):
            state = await bench.run(image, wanted, index)
            assert state.runs == index + 1
    dut._log.info("%d inputs", len(inputs))


@cocotb.test(timeout_time=10, timeout_unit="sec")
async def other_records_change_nothing(dut: Any) -> None:
    """Damaged, cut, half written, foreign, or none: each has its name, and the host its turn."""
    image = Image.from_bytes(Path(bench_parameters()["image"]).read_bytes())
    bench = Bench(dut)
    record = flash_record(image)
    await bench.plug_in({ADDRESS: record})
    assert await bench.boot() == Boot.LOADED
    for name, contents, outcome in _others(bench, record):
        dut._log.info("%s", name)
        await bench.plug_in({ADDRESS: contents})
        assert await bench.boot() == outcome, name
        assert await bench.memories(image) == stored(image), name


def _others(bench: Bench, record: bytes) -> Iterator[tuple[str, bytes, Boot]]:
    """Contents of a flash that are no record for this engine, and what the board says of them."""
    source, frames = bench.random, len(record) - HEADER.size - 4
    inverse = bytes(byte ^ 0xFF for byte in record)
    first, last = 8 * HEADER.size, 8 * len(record) - 1
    for bit in (last, source.randrange(first, last), first):
        yield f"bit {bit}", _flip(record, bit), Boot.DAMAGED
    yield "erased", b"", Boot.NONE
    yield "zeros", bytes(len(record)), Boot.NONE
    for bit in (0, 31):
        yield f"bit {bit} of the magic", _flip(record, bit), Boot.NONE
    for bit in (32, 63):
        yield f"bit {bit} of the target id", _flip(record, bit), Boot.FOREIGN
    for bit in (64, 79, 95):
        yield f"bit {bit} of the length", _flip(record, bit), Boot.DAMAGED
    yield "no frames", _sealed(HEADER.pack(MAGIC, _target(record), 0)), Boot.DAMAGED
    for length in (HEADER.size, source.randrange(HEADER.size, len(record)), len(record) - 1):
        yield f"cut after {length} bytes", record[:length], Boot.DAMAGED
    half = HEADER.size + frames // 2
    yield "half over another one", record[:half] + inverse[half:], Boot.DAMAGED
    yield "half over zeros", record[:half] + bytes(len(record) - half), Boot.DAMAGED


def _target(record: bytes) -> int:
    return HEADER.unpack_from(record)[1]


def _flip(record: bytes, bit: int) -> bytes:
    return (int.from_bytes(record, "little") ^ 1 << bit).to_bytes(len(record), "little")


def _sealed(body: bytes) -> bytes:
    return body + zlib.crc32(body).to_bytes(4, "little")


def _second_time(change: Damage) -> Damage:
    return lambda read, address, byte: change(read, address, byte) if read == 2 else byte


@cocotb.test(timeout_time=10, timeout_unit="sec")
async def a_flash_that_fails_between_the_passes(dut: Any) -> None:
    """The first pass is right and the second is not: no program, and a board that can be loaded."""
    parameters = bench_parameters()
    image = Image.from_bytes(Path(parameters["image"]).read_bytes())
    bench = Bench(dut)
    record = flash_record(image)
    at = ADDRESS + bench.random.randrange(HEADER.size, len(record) - 4)
    last = ADDRESS + len(record) - 5  # the delimiter of the last frame
    changes: Mapping[str, Damage] = {
        "a bit": lambda _, address, byte: byte ^ (address == at),
        "ones": lambda _, address, byte: 0xFF if address >= at else byte,
        "zeros": lambda _, address, byte: 0 if address >= at else byte,
        "another length": lambda _, address, byte: 0 if address == at else byte,
        "no last delimiter": lambda _, address, byte: 1 if address == last else byte,
    }
    limit = run_limit(unpack_program(image.program), image.config)
    await bench.plug_in({})
    assert await bench.boot() == Boot.NONE
    for name, change in changes.items():
        dut._log.info("%s at %d", name, at - ADDRESS)
        await bench.write(Region.PROGRAM, 0, 4, bytes(len(image.program)))  # as at power-up
        await bench.plug_in({ADDRESS: record}, damage=_second_time(change))
        assert await bench.boot() == Boot.DAMAGED, name
        await bench.request(opcode=Opcode.RUN, address=limit)
        state = State.from_bytes((await bench.request(opcode=Opcode.STATUS)).payload)
        assert (state.busy, state.layer) == (False, 0), name
    await bench.write_image(image)
    with np.load(parameters["wanted"]) as wanted:
        await bench.run(image, wanted)
