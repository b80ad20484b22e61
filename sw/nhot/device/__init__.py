"""Boards: the protocol they speak, the ports they are reached by, and what can be asked of them."""

from nhot.device.board import Board, LayerTime, Result
from nhot.device.link import Link
from nhot.device.protocol import Hello, State
from nhot.device.transport import LoopbackTransport, SerialTransport, Transport

__all__ = [
    "Board", "Hello", "LayerTime", "Link", "LoopbackTransport", "Result", "SerialTransport",
    "State", "Transport",
]
