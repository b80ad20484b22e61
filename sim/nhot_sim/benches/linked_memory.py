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

    Parameters
    ----------
    divisor : int
        Cycles of a bit.
    endless : bool
        Runs end by a reset alone.

    Members
    -------
    rx : In(1)
    tx : Out(1)
    busy : Out(1)
        Low: it does nothing in silence that would be worth a simulator's while.
    """

    rx: In(1, init=1)
    tx: Out(1, init=1)
    busy: Out(1)

    TARGET_ID = 0x89ABCDEF
    CYCLES, STALLS = 0x01020304, 0x00F0E0D0
    BAUD = 1_000_000

    def __init__(self, *, divisor: int = 4, endless: bool = False):
        self._endless = endless
        self._link = HostLink(
            clock_hz=divisor * self.BAUD, baud=self.BAUD, target_id=self.TARGET_ID
        )
        self._memory = MemoryData(shape=8, depth=len(Region) * _REGION_BYTES, init=[])
        super().__init__()

    @classmethod
    def model(cls, kind: type[BoardModel] = BoardModel) -> BoardModel:
        """The same board in Python."""
        memory = PlainMemory(_REGION_BYTES, word_bytes={int(region): 1 for region in Region})
        board = kind(
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
        engine = link.engine  # what stands in for one
        m.submodules.memory = memory = Memory(self._memory)
        write, read = memory.write_port(), memory.read_port(domain="comb")
        running = Signal(8)
        m.d.sync += running.eq(running | engine.start if self._endless
                               else Cat(engine.start, running))
        limit = Signal.like(engine.limit)
        with m.If(engine.start):
            m.d.sync += limit.eq(engine.limit)
        with m.If(engine.reset):
            m.d.sync += running.eq(0)
        m.d.comb += [
            link.rx.eq(self.rx),
            self.tx.eq(link.tx),
            engine.busy.eq(running.any()),
            engine.cycles.eq(self.CYCLES),
            engine.stalls.eq(self.STALLS),
            engine.fault.eq(Mux(limit[0], Fault.ADDRESS, Fault.NONE)),
            engine.layers.eq(limit),
        ]

        region, address, left = Signal(3), Signal(17), Signal(16)
        place = Cat(address[:8], region)
        inside = ~address[8:].any()
        m.d.comb += [
            write.addr.eq(place),
            write.data.eq(engine.write.payload),
            read.addr.eq(place),
            engine.read.payload.eq(read.data & inside.replicate(8)),
        ]
        with m.FSM():
            with m.State("Idle"):
                access = engine.access.p
                m.d.comb += engine.access.ready.eq(1)
                m.d.sync += [
                    region.eq(access.region), address.eq(access.address), left.eq(access.length),
                ]
                with m.If(engine.access.valid & access.write):
                    m.next = "Write"
                with m.Elif(engine.access.valid):
                    m.next = "Read"
            with m.State("Write"):
                m.d.comb += [engine.write.ready.eq(1), write.en.eq(engine.write.valid & inside)]
                self._advance(m, engine.write.valid, address, left)
            with m.State("Read"):
                m.d.comb += engine.read.valid.eq(1)
                self._advance(m, engine.read.ready, address, left)

        return m

    def _advance(self, m, moved, address, left):
        with m.If(moved):
            m.d.sync += [address.eq(address + 1), left.eq(left - 1)]
            with m.If(left == 1):
                m.next = "Idle"
