"""The board's end of the host protocol, on a serial port."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from nhot.device.protocol import Fault
from nhot_hw.engine.access import AccessLayout
from nhot_hw.io.server import RequestServer
from nhot_hw.io.uart import UartReceiver, UartTransmitter, uart_divisor

__all__ = ["HostLink"]


class HostLink(wiring.Component):
    """A :class:`RequestServer` behind a serial port.

    Parameters
    ----------
    clock_hz, baud : int
        Of the clock domain and of the line; see :func:`uart_divisor` for what fits.
    target_id : int
        32 bits that HELLO reports: which images this engine can run.

    Members
    -------
    rx : In(1)
    tx : Out(1)
        Idle high; ``rx`` may be asynchronous to the clock.
    o_access, o_data, i_data, o_start, o_limit, o_reset, i_busy, i_cycles, i_stalls, i_fault,
    i_layer
        As of :class:`RequestServer`.
    """

    rx: In(1, init=1)
    tx: Out(1, init=1)
    o_access: Out(stream.Signature(AccessLayout))
    o_data: Out(stream.Signature(8))
    i_data: In(stream.Signature(8))
    o_start: Out(1)
    o_limit: Out(16)
    o_reset: Out(1)
    i_busy: In(1)
    i_cycles: In(32)
    i_stalls: In(32)
    i_fault: In(Fault)
    i_layer: In(16)

    def __init__(self, *, clock_hz: int, baud: int, target_id: int):
        self.divisor = uart_divisor(clock_hz, baud)
        self._server = RequestServer(target_id=target_id)
        super().__init__()

    def elaborate(self, platform):
        m = Module()

        m.submodules.receiver = receiver = UartReceiver(self.divisor)
        m.submodules.server = server = self._server
        m.submodules.transmitter = transmitter = UartTransmitter(self.divisor)
        connect(m, receiver.o, server.i)
        connect(m, server.o, transmitter.i)
        connect(m, server.o_access, flipped(self.o_access))
        connect(m, server.o_data, flipped(self.o_data))
        connect(m, flipped(self.i_data), server.i_data)
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            self.o_start.eq(server.o_start),
            self.o_limit.eq(server.o_limit),
            self.o_reset.eq(server.o_reset),
            server.i_busy.eq(self.i_busy),
            server.i_cycles.eq(self.i_cycles),
            server.i_stalls.eq(self.i_stalls),
            server.i_fault.eq(self.i_fault),
            server.i_layer.eq(self.i_layer),
        ]

        return m
