"""Streams of bytes to and from a board."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from nhot.errors import DeviceError, MissingToolError, NhotError

__all__ = ["LoopbackTransport", "SerialTransport", "Transport", "latency_timer"]

_log = logging.getLogger("nhot.device")

_WRITE_SECONDS = 5.0
_MOST_BAUD = 2**31 - 1  # the operating system takes an int


class Transport(Protocol):
    """Bytes in both directions, without limits of frames. Errors are :class:`DeviceError`.

    Times are those of :meth:`clock`, by which the board lives: the wall's, or a simulation's.

    Attributes
    ----------
    name : str
        For messages: what the user calls it.
    """

    name: str

    def read(self, timeout: float) -> bytes:
        """All bytes that have arrived; waits up to ``timeout`` seconds for the first of them.

        No bytes mean that none come within that time.
        """
        ...

    def write(self, data: bytes) -> None:
        """Send ``data``."""
        ...

    def clock(self) -> float:
        """Seconds since some moment; they never run backwards."""
        ...

    def close(self) -> None:
        """Give the port back. Does nothing the second time."""
        ...


class SerialTransport:
    """A serial port, a pseudo-terminal, or any URL that pyserial knows (``socket://host:port``).

    Raises :class:`DeviceError` if the port cannot be opened or goes away.

    Parameters
    ----------
    port : str
    baud : int
    patient : bool
        Wait for a far end that takes its time; else what it does not take for seconds is an error.
    """

    def __init__(self, port: str, *, baud: int = 1_000_000, patient: bool = False) -> None:
        try:
            import serial
        except ImportError:
            raise MissingToolError(
                "pyserial must be installed to reach a board: pip install 'nhot[device]'"
            ) from None
        if not 1 <= baud <= _MOST_BAUD:
            raise NhotError(f"Baud rate must be 1 to {_MOST_BAUD}, not {baud}")
        self.name = port
        self._errors = (serial.SerialException, OSError, ValueError)
        options = {} if "://" in port else {"exclusive": True}
        try:
            self._port: Any = serial.serial_for_url(
                port, baudrate=baud, timeout=0, write_timeout=None if patient else _WRITE_SECONDS,
                **options
            )
            self._port.reset_input_buffer()
        except self._errors as error:
            raise DeviceError(f"Port {port} must be one that can be opened: {error}") from None
        delay = latency_timer(port)
        if delay is not None and delay > 1:
            _log.warning(
                "Port %s holds bytes back for %d ms; 1 ms loads a board faster: "
                "docs/protocol.md says how", port, delay,
            )

    def read(self, timeout: float) -> bytes:
        """See :class:`Transport`."""
        try:
            if self._port.timeout != timeout:
                self._port.timeout = timeout
            first: bytes = self._port.read(1)
            rest: bytes = self._port.read(self._port.in_waiting) if first else b""
        except self._errors as error:
            raise DeviceError(f"Port {self.name} must stay open to be read: {error}") from None
        return first + rest

    def write(self, data: bytes) -> None:
        """See :class:`Transport`."""
        try:
            self._port.write(data)
        except self._errors as error:
            raise DeviceError(f"Port {self.name} must take what is written: {error}") from None

    def clock(self) -> float:
        """See :class:`Transport`."""
        return time.monotonic()

    def close(self) -> None:
        """See :class:`Transport`."""
        self._port.close()


class LoopbackTransport:
    """A board that is a function: what it returns for the bytes written can then be read.

    ``read`` does not wait, so that lost frames cost a test no time.
    """

    def __init__(self, answer: Callable[[bytes], bytes], *, name: str = "loopback") -> None:
        self.name = name
        self._answer = answer
        self._arrived = b""

    def read(self, timeout: float) -> bytes:
        """See :class:`Transport`."""
        data, self._arrived = self._arrived, b""
        return data

    def write(self, data: bytes) -> None:
        """See :class:`Transport`."""
        self._arrived += self._answer(data)

    def clock(self) -> float:
        """See :class:`Transport`."""
        return time.monotonic()

    def close(self) -> None:
        """See :class:`Transport`."""


def latency_timer(port: str, root: str = "/sys/bus/usb-serial/devices") -> int | None:
    """Milliseconds an FTDI adapter waits before it passes on a few bytes; None if it has none."""
    try:
        timer = Path(root) / Path(port).resolve().name / "latency_timer"
        return int(timer.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
