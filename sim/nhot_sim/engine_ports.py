"""An engine with plain ports, for a harness in C++."""

from amaranth.hdl import ClockDomain, Module, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot_hw.engine import Engine

__all__ = ["EnginePorts"]


class EnginePorts(wiring.Component):
    """The host ports of an :class:`Engine` under names without the double underscores that
    Verilator escapes. It is never reset, which makes its model half as fast again.

    Members
    -------
    clk : In
    access, access_valid, access_ready, data, data_valid, data_ready : the streams to the engine
    answer, answer_valid, answer_ready : the stream from it
    start, limit, busy, cycles, stalls, fault, layers : as the engine has them
    """

    def __init__(self, config: EngineConfig):
        self.engine = Engine(config)
        super().__init__({"clk": In(1)} | {
            name: In(unsigned(len(port))) if to_engine else Out(unsigned(len(port)))
            for name, port, to_engine in self._pairs()
        })

    def _pairs(self):
        """Each port's name, what it is of the engine, and whether it leads to it."""
        host = self.engine.host
        for name, stream, to_engine in (
            ("access", host.access, True), ("data", host.write, True), ("answer", host.read, False),
        ):
            yield name, Value.cast(stream.payload), to_engine
            yield f"{name}_valid", stream.valid, to_engine
            yield f"{name}_ready", stream.ready, not to_engine
        yield "start", host.start, True
        yield "limit", host.limit, True
        for name in ("busy", "cycles", "stalls", "fault", "layers"):
            yield name, getattr(host, name), False

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = domain = ClockDomain(reset_less=True, local=True)
        m.d.comb += domain.clk.eq(self.clk)
        m.submodules.engine = self.engine
        for name, port, to_engine in self._pairs():
            ours = getattr(self, name)
            m.d.comb += port.eq(ours) if to_engine else ours.eq(port)
        return m
