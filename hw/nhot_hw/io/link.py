"""The board's end of the host protocol, on a serial port."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from nhot_hw.engine.host import HostSignature
from nhot_hw.io.boot import FlashBoot
from nhot_hw.io.flash import FlashPins
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
    boot : FlashBoot, optional
        What loads the engine before the line does; until it is done the line is deaf.

    Members
    -------
    rx : In(1)
    tx : Out(1)
        Idle high; ``rx`` may be asynchronous to the clock.
    engine : Out(HostSignature)
    flash : Out(FlashPins), with a boot
    """

    def __init__(
        self, *, clock_hz: int, baud: int, target_id: int, boot: FlashBoot | None = None
    ):
        self.divisor = uart_divisor(clock_hz, baud)
        self._server = RequestServer(target_id=target_id, boots=boot is not None)
        self._boot = boot
        super().__init__({
            "rx": In(1, init=1), "tx": Out(1, init=1), "engine": Out(HostSignature),
            **({} if boot is None else {"flash": Out(FlashPins)}),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.receiver = receiver = UartReceiver(self.divisor)
        m.submodules.server = server = self._server
        m.submodules.transmitter = transmitter = UartTransmitter(self.divisor)
        if self._boot is None:
            connect(m, receiver.o, server.i)
            connect(m, server.o, transmitter.i)
        else:
            self._take_turns(m, receiver, server, transmitter)
        connect(m, server.engine, flipped(self.engine))
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
        ]

        return m

    def _take_turns(self, m, receiver, server, transmitter):
        """First the flash has the server, then the line."""
        m.submodules.boot = boot = self._boot
        connect(m, boot.flash, flipped(self.flash))
        m.d.comb += [
            boot.i_answered.eq(server.o.valid & server.o.ready & (server.o.payload == 0)),
            server.i_boot.eq(boot.o_outcome),
            transmitter.i.payload.eq(server.o.payload),
        ]
        with m.If(boot.o_busy):
            m.d.comb += [
                server.i.payload.eq(boot.o.payload), server.i.valid.eq(boot.o.valid),
                boot.o.ready.eq(server.i.ready), receiver.o.ready.eq(1), server.o.ready.eq(1),
            ]
        with m.Else():
            m.d.comb += [
                server.i.payload.eq(receiver.o.payload), server.i.valid.eq(receiver.o.valid),
                receiver.o.ready.eq(server.i.ready), transmitter.i.valid.eq(server.o.valid),
                server.o.ready.eq(transmitter.i.ready),
            ]
