"""Pictures of the memories and of the host's way into them."""

from __future__ import annotations

from typing import Any

from nhot.contract.config import EngineConfig
from nhot.contract.program import Region
from nhot_hw.core.timing import Rows
from nhot_hw.engine.activations import ActivationMemory
from nhot_hw.engine.engine import Engine
from nhot_hw.engine.loader import Loader
from nhot_hw.stream_register import StreamRegister
from nhot_tools.pictures.drive import asked, hexadecimal, name_in, offer, pulse, timed
from nhot_tools.pictures.record import Trace, record

__all__ = ["host", "loader_read", "loader_weights", "loader_write", "memories", "stream_register"]

_ACCESS = ("i_access.valid", "i_access.ready")


def memories() -> Rows:
    """Activations of two pixels, in three banks: two reads in each cycle, and a write"""
    config = EngineConfig(pixels=2, filters=1, inputs=1, activation_words=64)
    dut = ActivationMemory(config)

    async def fill(ctx: Any) -> None:
        for address in range(config.activation_words):
            ctx.set(dut.row(address), 0x40 + address)

    at = dut.i_address
    return record(
        dut, [
            Trace("i_address[0]", str, when="i_used[0]"),
            Trace("i_address[1]", str, when="i_used[1]"),
            Trace("i_write"), Trace("i_write_address", str, when="i_write"),
            Trace("i_write_data", hexadecimal(2), when="i_write"),
            Trace("o_words[0]", hexadecimal(2)), Trace("o_words[1]", hexadecimal(2)),
        ],
        fill,
        timed({
            1: [(at[0], 8), (at[1], 9), (dut.i_used, 3)],
            2: [(at[0], 10), (at[1], 11), (dut.i_write, 1), (dut.i_write_address, 8),
                (dut.i_write_data, 0x99)],
            3: [(at[0], 12), (at[1], 13), (dut.i_write, 0)],
            4: [(dut.i_used, 0)],
            5: [(at[0], 8), (at[1], 12), (dut.i_used, 1)],
            6: [(dut.i_used, 0)],
        }),
        cycles=10,
    )


def _loader() -> tuple[EngineConfig, Loader]:
    config = EngineConfig(filters=2, inputs=2, activation_words=64, weight_words=16)
    return config, Loader(config)


def _access(region: Region, length: int, *, write: bool) -> dict[str, int]:
    return {"write": write, "region": region, "address": 5, "length": length}


def _region(write: int) -> str:
    """Of the one bit that is high, if any is."""
    return Region(write.bit_length() - 1).name if write else ""


def loader_write() -> Rows:
    """Loader: four bytes make two words of the activations"""
    _, dut = _loader()
    return record(
        dut, [
            *map(Trace, _ACCESS), Trace("i_data.valid"), Trace("i_data.ready"),
            Trace("i_data.payload", hexadecimal(2), when="i_data.valid"),
            Trace("o_write", _region), Trace("o_address", str),
            # A word of two bytes is at the top of four.
            Trace("o_word", lambda word: f"{word >> 16:04x}", when="o_write"),
        ],
        offer(dut.i_access, [_access(Region.ACTIVATIONS, 4, write=True)], start=1),
        offer(dut.i_data, [0xA0, 0xA1, 0xB0, 0xB1], start=1), cycles=12,
    )


def loader_read() -> Rows:
    """Loader: two words of the activations as four bytes; the third has to wait for its taker"""
    _, dut = _loader()
    memory = {5: 0xA1A0, 6: 0xB1B0}
    return record(
        dut, [
            *map(Trace, _ACCESS), Trace("o_address", str), Trace("i_words[3]", hexadecimal(4)),
            Trace("o_data.valid"), Trace("o_data.ready"),
            Trace("o_data.payload", hexadecimal(2), when="o_data.valid"),
        ],
        offer(dut.i_access, [_access(Region.ACTIVATIONS, 4, write=False)], start=1),
        asked(dut.o_address, dut.i_words[Region.ACTIVATIONS], lambda at: memory.get(at, 0)),
        timed({0: [(dut.o_data.ready, 1)], 9: [(dut.o_data.ready, 0)],
               11: [(dut.o_data.ready, 1)]}),
        cycles=16,
    )


def loader_weights() -> Rows:
    """Loader: a weight word of four codes of seven bits, in four bytes, becomes fields"""
    config, dut = _loader()
    fmt = config.weight_format
    packed = sum(int(fmt.encode([weight])[0]) << (fmt.code_bits * place)
                 for place, weight in enumerate((1, 2, 4, -1)))
    return record(
        dut, [
            *map(Trace, _ACCESS), Trace("i_data.valid"), Trace("i_data.ready"),
            Trace("i_data.payload", hexadecimal(2), when="i_data.valid"),
            Trace("o_weights", hexadecimal(8)), Trace("o_write", _region), Trace("o_address", str),
        ],
        offer(dut.i_access, [_access(Region.WEIGHTS, 4, write=True)], start=1),
        offer(dut.i_data, list(packed.to_bytes(config.code_bytes, "little")), start=1), cycles=44,
    )


def host() -> Rows:
    """Host: two bytes are read, then a program runs that ends at once"""
    engine = Engine(EngineConfig(filters=2, inputs=2))

    async def fill(ctx: Any) -> None:
        ctx.set(engine.activations.row(5), 0xA1A0)
        ctx.set(engine.host.limit, 1)
        ctx.set(engine.host.read.ready, 1)

    return record(
        engine, [
            Trace("host.access.valid"), Trace("host.access.ready"),
            Trace("host.access.payload.region", name_in(Region), when="host.access.valid"),
            Trace("host.access.payload.address", str, when="host.access.valid"),
            Trace("host.access.payload.length", str, when="host.access.valid"),
            Trace("host.read.valid"), Trace("host.read.ready"),
            Trace("host.read.payload", hexadecimal(2), when="host.read.valid"),
            Trace("host.start"), Trace("host.busy"), Trace("host.cycles", str),
        ],
        fill, offer(engine.host.access, [_access(Region.ACTIVATIONS, 2, write=False)], start=1),
        pulse(engine.host.start, 12), cycles=36,
    )


def stream_register() -> Rows:
    """Stream register: three items; the second has to wait for its taker"""
    dut = StreamRegister(8)
    return record(
        dut, [
            Trace("i.valid"), Trace("i.ready"), Trace("i.payload", hexadecimal(2), when="i.valid"),
            Trace("o.valid"), Trace("o.ready"), Trace("o.payload", hexadecimal(2), when="o.valid"),
        ],
        offer(dut.i, [0xA0, 0xA1, 0xA2], start=1),
        timed({0: [(dut.o.ready, 1)], 4: [(dut.o.ready, 0)], 6: [(dut.o.ready, 1)]}), cycles=11,
    )
