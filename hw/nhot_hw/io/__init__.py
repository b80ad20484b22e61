"""How bytes get to an engine and back: serial ports, framing, and the link that obeys a host."""

from nhot_hw.io.cobs import CobsDecoder, CobsEncoder
from nhot_hw.io.crc import SerialCrc
from nhot_hw.io.link import HostLink
from nhot_hw.io.replay import ReplayFifo
from nhot_hw.io.server import RequestServer
from nhot_hw.io.top import Top
from nhot_hw.io.uart import UartReceiver, UartTransmitter, uart_divisor

__all__ = [
    "CobsDecoder", "CobsEncoder", "HostLink", "ReplayFifo", "RequestServer", "SerialCrc", "Top",
    "UartReceiver", "UartTransmitter", "uart_divisor",
]
