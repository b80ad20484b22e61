"""Pictures of the host's line: COBS, the queue of requests, the request server, the serial port."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from nhot.device.protocol import Opcode, Request
from nhot_hw.core.timing import Rows
from nhot_hw.io import (
    CobsDecoder,
    CobsEncoder,
    ReplayFifo,
    RequestServer,
    UartReceiver,
    UartTransmitter,
)
from nhot_tools.pictures.drive import hexadecimal, offer, pulse, timed
from nhot_tools.pictures.record import Trace, record

__all__ = ["cobs_decoder", "cobs_encoder", "replay", "server", "uart"]


def _bytes(port: str, path: str = "payload") -> list[Trace]:
    return [Trace(f"{port}.valid"), Trace(f"{port}.ready"),
            Trace(f"{port}.{path}", hexadecimal(2), when=f"{port}.valid")]


def cobs_decoder() -> Rows:
    """COBS decoder: 03 11 22 02 33 00 is the frame 11 22 00 33"""
    dut = CobsDecoder()
    return record(
        dut, [*_bytes("i"), *_bytes("o", "payload.data"), Trace("o.payload.end", when="o.valid")],
        offer(dut.i, [0x03, 0x11, 0x22, 0x02, 0x33, 0x00], start=1),
        timed({0: [(dut.o.ready, 1)], 3: [(dut.o.ready, 0)], 4: [(dut.o.ready, 1)]}), cycles=9,
    )


def cobs_encoder() -> Rows:
    """COBS encoder: the frame 11 22 00 33 is 03 11 22 02 33 00"""
    dut = CobsEncoder()
    frame = [{"data": byte, "end": 0} for byte in (0x11, 0x22, 0x00, 0x33)]
    return record(
        dut, [*_bytes("i", "payload.data"), Trace("i.payload.end", when="i.valid"), *_bytes("o")],
        offer(dut.i, [*frame, {"data": 0, "end": 1}], start=1),
        timed({0: [(dut.o.ready, 1)]}), cycles=18,
    )


def replay() -> Rows:
    """Replay queue: two of three bytes are read, read again, and forgotten"""
    dut = ReplayFifo(8)
    return record(
        dut, [*_bytes("i"), *_bytes("o"), Trace("i_rewind"), Trace("i_forget")],
        offer(dut.i, [0xA0, 0xA1, 0xA2], start=1), timed({0: [(dut.o.ready, 1)]}),
        pulse(dut.i_rewind, 9), pulse(dut.i_forget, 16), cycles=21,
    )


def server() -> Rows:
    """Request server: the end of a RUN request, the start that it asks for, and its answer"""
    dut = RequestServer(target_id=0x89ABCDEF)

    async def engine(ctx: Any) -> None:
        await ctx.tick().until(dut.engine.start)
        ctx.set(dut.engine.busy, 1)

    frame = Request(opcode=Opcode.RUN, sequence=5, address=0x20).to_bytes()
    inside = _Names(item=dut._decoder.o)
    return record(
        dut, [
            Trace("item.valid", of=inside), Trace("item.ready", of=inside),
            Trace("item.payload.data", hexadecimal(2), when="item.valid", of=inside),
            Trace("item.payload.end", when="item.valid", of=inside),
            Trace("engine.start"), Trace("engine.limit", hexadecimal(4), when="engine.start"),
            Trace("engine.busy"), *_bytes("o"),
        ],
        offer(dut.i, list(frame), start=1), pulse(dut.o.ready, *range(4, 300, 10)), engine,
        cycles=166, start=80,
    )


class _Names:
    """Signals under names of the picture's own."""

    def __init__(self, **signals: Any):
        vars(self).update(signals)


class _Line(wiring.Component):
    """A transmitter and a receiver on one line."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))
    tx: Out(1)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.transmitter = transmitter = UartTransmitter(4)
        m.submodules.receiver = receiver = UartReceiver(4)
        connect(m, flipped(self.i), transmitter.i)
        connect(m, receiver.o, flipped(self.o))
        m.d.comb += [self.tx.eq(transmitter.tx), receiver.rx.eq(transmitter.tx)]
        return m


def uart() -> Rows:
    """Serial port: two bytes from a transmitter to a receiver, four cycles a bit"""
    dut = _Line()
    return record(
        dut, [*_bytes("i"), Trace("tx"), *_bytes("o")],
        offer(dut.i, [0x53], start=1), offer(dut.i, [0x0F], start=30),
        timed({0: [(dut.o.ready, 1)]}), cycles=92,
    )
