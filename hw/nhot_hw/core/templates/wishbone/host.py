"""The core's bus, by cocotbext-wishbone, and the rules that the core must keep on it."""

import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge
from cocotbext.wishbone.driver import WBOp, WishboneMaster

SIGNALS = {"cyc": "cyc", "stb": "stb", "we": "we", "adr": "adr", "datwr": "dat_w",
           "datrd": "dat_r", "ack": "ack", "err": "err", "sel": "sel"}
ACK, ERR = 1, 2


class Host:
    """Accesses to registers."""

    STREAMS = 0
    ABREAST = False  # a read and a write may be under way at once

    def __init__(self, dut: Any, pause: float):
        self.master = WishboneMaster(
            dut, "wb", dut.clk, width=32, timeout=10_000, signals_dict=SIGNALS
        )
        self.pause, self.source = pause, random.Random(1)

    @classmethod
    async def start(cls, dut: Any, *, pause: float) -> "Host":
        """Start the clock, hold the reset, and watch the rules."""
        dut.rst.value = 1
        for name in ("cyc", "stb", "we", "adr", "dat_w", "sel"):
            getattr(dut, f"wb_{name}").value = 0
        Clock(dut.clk, 10, "ns").start()
        for _ in range(3):
            await FallingEdge(dut.clk)
        host = cls(dut, pause)  # what it sets at once would be lost before the first edge
        dut.rst.value = 0
        cocotb.start_soon(_answers(dut))
        return host

    async def read(self, offset: int) -> int | None:
        """A register, or None where that is an error."""
        answer = await self._access(WBOp(offset, idle=self._idle()))
        return None if answer.ack == ERR else answer.datrd.to_unsigned()

    async def write(self, offset: int, value: int, *, part: bool = False) -> bool:
        """Write a register, or one byte of it; whether that was no error."""
        answer = await self._access(
            WBOp(offset, value, idle=self._idle(), sel=1 if part else 15)
        )
        return answer.ack == ACK

    async def _access(self, operation: WBOp) -> Any:
        (answer,) = await self.master.send_cycle([operation])
        assert answer.ack in (ACK, ERR)
        return answer

    def _idle(self) -> int:
        idle = 0
        while self.source.random() < self.pause:
            idle += 1
        return idle


async def _answers(dut: Any) -> None:
    """An access has one answer, and nothing else has one."""
    while True:
        await RisingEdge(dut.clk)
        answer = (dut.wb_ack.value == 1) + (dut.wb_err.value == 1)
        asked = dut.wb_cyc.value == 1 and dut.wb_stb.value == 1
        assert answer <= asked, "an answer must be that of an access"
