"""The board's end of the host protocol, on a serial port."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from nhot_hw.engine.host import HostSignature
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
    engine : Out(HostSignature)
    """

    rx: In(1, init=1)
    tx: Out(1, init=1)
    engine: Out(HostSignature)

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
        connect(m, server.engine, flipped(self.engine))
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
        ]

        return m
