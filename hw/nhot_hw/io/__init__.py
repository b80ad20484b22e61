"""How bytes get to an engine: serial ports, framing, the link that obeys a host, flashes."""

from nhot_hw.io.accelerator import Top
from nhot_hw.io.boot import FlashBoot
from nhot_hw.io.cobs import CobsDecoder, CobsEncoder
from nhot_hw.io.crc import SerialCrc
from nhot_hw.io.flash import FlashPins, FlashReader
from nhot_hw.io.link import HostLink
from nhot_hw.io.replay import ReplayFifo
from nhot_hw.io.server import RequestServer
from nhot_hw.io.uart import UartReceiver, UartTransmitter, uart_divisor

__all__ = [
    "CobsDecoder", "CobsEncoder", "FlashBoot", "FlashPins", "FlashReader", "HostLink", "ReplayFifo",
    "RequestServer", "SerialCrc", "Top", "UartReceiver", "UartTransmitter", "uart_divisor",
]
