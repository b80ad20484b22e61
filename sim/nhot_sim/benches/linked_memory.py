"""A host link with nothing but memory behind it: what a board is to the protocol."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory, MemoryData
from amaranth.lib.wiring import In, Out

from nhot.contract.program import Fault, Region
from nhot_hw.io import HostLink
from nhot_sim.board_model import BoardModel, PlainMemory, Run

__all__ = ["LinkedMemory"]

_REGION_BYTES = 256


class LinkedMemory(wiring.Component):
    """A :class:`HostLink` and 256 bytes a region, addressed by the byte; runs take eight cycles.

    A run with an odd limit ends in a fault, and the layer that STATUS reports is the limit.

    Members
    -------
    rx : In(1)
    tx : Out(1)
    """

    rx: In(1, init=1)
    tx: Out(1, init=1)

    TARGET_ID = 0x89ABCDEF
    CYCLES, STALLS = 0x01020304, 0x00F0E0D0
    BAUD = 1_000_000

    def __init__(self, *, divisor: int = 4):
        self._link = HostLink(
            clock_hz=divisor * self.BAUD, baud=self.BAUD, target_id=self.TARGET_ID
        )
        self._memory = MemoryData(shape=8, depth=len(Region) * _REGION_BYTES, init=[])
        super().__init__()

    @classmethod
    def model(cls) -> BoardModel:
        """The same board in Python."""
        memory = PlainMemory(_REGION_BYTES, word_bytes={int(region): 1 for region in Region})
        board = BoardModel(
            target_id=cls.TARGET_ID, memory=memory, on_run=cls._run
        )
        board.last = cls._run(0)
        return board

    @classmethod
    def _run(cls, limit: int) -> Run:
        fault = Fault.ADDRESS if limit & 1 else Fault.NONE
        return Run(cycles=cls.CYCLES, stalls=cls.STALLS, fault=fault, layer=limit)

    def elaborate(self, platform):
        m = Module()

        m.submodules.link = link = self._link
        m.submodules.memory = memory = Memory(self._memory)
        write, read = memory.write_port(), memory.read_port(domain="comb")
        running = Signal(8)
        m.d.sync += running.eq(Cat(link.o_start, running))
        limit = Signal.like(link.o_limit)
        with m.If(link.o_start):
            m.d.sync += limit.eq(link.o_limit)
        with m.If(link.o_reset):
            m.d.sync += running.eq(0)
        m.d.comb += [
            link.rx.eq(self.rx),
            self.tx.eq(link.tx),
            link.i_busy.eq(running.any()),
            link.i_cycles.eq(self.CYCLES),
            link.i_stalls.eq(self.STALLS),
            link.i_fault.eq(Mux(limit[0], Fault.ADDRESS, Fault.NONE)),
            link.i_layer.eq(limit),
        ]

        region, address, left = Signal(3), Signal(17), Signal(16)
        place = Cat(address[:8], region)
        inside = ~address[8:].any()
        m.d.comb += [
            write.addr.eq(place),
            write.data.eq(link.o_data.payload),
            read.addr.eq(place),
            link.i_data.payload.eq(read.data & inside.replicate(8)),
        ]
        with m.FSM():
            with m.State("Idle"):
                access = link.o_access.p
                m.d.comb += link.o_access.ready.eq(1)
                m.d.sync += [
                    region.eq(access.region), address.eq(access.address), left.eq(access.length),
                ]
                with m.If(link.o_access.valid & access.write):
                    m.next = "Write"
                with m.Elif(link.o_access.valid):
                    m.next = "Read"
            with m.State("Write"):
                m.d.comb += [link.o_data.ready.eq(1), write.en.eq(link.o_data.valid & inside)]
                self._advance(m, link.o_data.valid, address, left)
            with m.State("Read"):
                m.d.comb += link.i_data.valid.eq(1)
                self._advance(m, link.i_data.ready, address, left)

        return m

    def _advance(self, m, moved, address, left):
        with m.If(moved):
            m.d.sync += [address.eq(address + 1), left.eq(left - 1)]
            with m.If(left == 1):
                m.next = "Idle"
