"""The core's bus and streams, by cocotbext-axi, and the rules that the core must keep on them."""

import itertools
import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiResp,
    AxiStreamBus,
    AxiStreamSink,
    AxiStreamSource,
)


class Host:
    """Accesses to registers, and words through the streams."""

    STREAMS = 1
    ABREAST = True  # a read and a write may be under way at once

    def __init__(self, dut: Any, pause: float):
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, dut.rst)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
        write, read = self.master.write_if, self.master.read_if
        channels = (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel,
                    read.r_channel, self.source, self.sink)
        for seed, channel in enumerate(channels):
            if pause:
                channel.set_pause_generator(_pauses(pause, seed))

    @classmethod
    async def start(cls, dut: Any, *, pause: float) -> "Host":
        """Start the clock, hold the reset, and watch the rules."""
        dut.rst.value = 1
        Clock(dut.clk, 10, "ns").start()
        host = cls(dut, pause)
        for _ in range(3):
            await FallingEdge(dut.clk)
        dut.rst.value = 0
        for _ in range(2):
            await RisingEdge(dut.clk)
        for valid, ready, payload in (
            (dut.s_axi_bvalid, dut.s_axi_bready, [dut.s_axi_bresp]),
            (dut.s_axi_rvalid, dut.s_axi_rready, [dut.s_axi_rresp, dut.s_axi_rdata]),
            (dut.m_axis_tvalid, dut.m_axis_tready, [dut.m_axis_tdata, dut.m_axis_tlast]),
        ):
            cocotb.start_soon(_stays(dut.clk, valid, ready, payload))
        return host

    async def read(self, offset: int) -> int | None:
        """A register, or None where that is an error."""
        answer = await self.master.read(offset, 4)
        if answer.resp == AxiResp.OKAY:
            return int.from_bytes(answer.data, "little")
        assert answer.resp == AxiResp.SLVERR
        return None

    async def write(self, offset: int, value: int, *, part: bool = False) -> bool:
        """Write a register, or one byte of it; whether that was no error."""
        answer = await self.master.write(offset, value.to_bytes(4, "little")[: 1 if part else 4])
        assert answer.resp in (AxiResp.OKAY, AxiResp.SLVERR)
        return answer.resp == AxiResp.OKAY

    async def send(self, data: bytes) -> None:
        """Input; what is left of the last word is garbage."""
        await self.source.send(data + b"\xa5" * (-len(data) % 4))

    async def receive(self, count: int) -> bytes:
        """Output, up to the word with tlast."""
        data = bytes((await self.sink.recv()).tdata)
        assert len(data) == (count + 3) // 4 * 4, "tlast must be with the last word"
        assert not any(data[count:]), "spare bytes must be zeros"
        return data[:count]


def _pauses(probability: float, seed: int) -> Any:
    source = random.Random(seed)
    return (source.random() < probability for _ in itertools.count())


async def _stays(clock: Any, valid: Any, ready: Any, payload: list[Any]) -> None:
    """What is offered stays as it is until it is taken."""
    offered = None
    while True:
        await RisingEdge(clock)
        now = [signal.value for signal in payload] if valid.value == 1 else None
        assert offered is None or now == offered, f"{valid._name} must stay until it is taken"
        offered = now if ready.value == 0 else None
