"""What hosts connect to: a pseudo-terminal, or a port of TCP on this machine."""

from __future__ import annotations

import os
import select
import socket
import termios
import time
import tty
from abc import abstractmethod

from nhot.closing import Closing
from nhot.errors import NhotError

__all__ = ["Gone", "Line", "Pty", "Tcp"]

_CHUNK = 4096
_PATIENCE = 30.0  # seconds for a host to take what it is sent
_LOOK = 0.02  # seconds between looks for a host: a terminal does not tell that it was opened
_LOST = select.POLLHUP | select.POLLERR


class Gone(Exception):
    """The host has closed its end, or takes nothing any more."""


class Line(Closing):
    """Bytes from and to one host at a time, as a context manager.

    Attributes
    ----------
    address : str
        For people: what a host opens.
    """

    address: str

    @abstractmethod
    def wait(self) -> None:
        """Wait for a host. Nothing of the one before it is left on the line."""

    @abstractmethod
    def fileno(self) -> int:
        """Descriptor of this end of the line to the host, which does not block."""

    def check(self) -> None:
        """Raises :class:`Gone` if there is no host any more."""
        if self._events(select.POLLOUT, 0) & _LOST:
            raise Gone

    def read(self) -> bytes:
        """What the host has sent, at least a byte. Raises :class:`Gone`."""
        while True:
            self._events(select.POLLIN, None)
            try:
                data = os.read(self.fileno(), _CHUNK)
            except BlockingIOError:
                continue
            except OSError as error:  # of a terminal that nobody has open: an input/output error
                raise Gone from error
            if not data:
                raise Gone
            return data

    def write(self, data: bytes) -> None:
        """Send all of ``data``. Raises :class:`Gone`."""
        while data:
            events = self._events(select.POLLOUT, _PATIENCE)
            if not events & select.POLLOUT or events & _LOST:
                raise Gone
            try:
                data = data[os.write(self.fileno(), data):]
            except BlockingIOError:
                continue
            except OSError as error:
                raise Gone from error

    def _events(self, wanted: int, seconds: float | None) -> int:
        """What has happened, within so many seconds (None: however long it takes); 0: nothing."""
        poll = select.poll()
        poll.register(self.fileno(), wanted)
        found = poll.poll(None if seconds is None else 1000 * seconds)
        return found[0][1] if found else 0


class Pty(Line):
    """A pseudo-terminal, which hosts open as a serial port; any baud rate does."""

    def __init__(self) -> None:
        self._end, terminal = os.openpty()
        self.address = os.ttyname(terminal)
        tty.setraw(terminal)
        os.close(terminal)  # from now on the end tells whether a host is there
        os.set_blocking(self._end, False)

    def wait(self) -> None:
        self._flush()
        while self._events(select.POLLIN, 0) == select.POLLHUP:
            time.sleep(_LOOK)

    def fileno(self) -> int:
        return self._end

    def close(self) -> None:
        """Give the terminal back. Does nothing the second time."""
        if self._end >= 0:
            os.close(self._end)
            self._end = -1

    def _flush(self) -> None:
        """Forget answers that nobody has read."""
        try:
            terminal = os.open(self.address, os.O_RDWR | os.O_NOCTTY)
        except OSError:  # the next host is there already, and wants it for itself
            return
        termios.tcflush(terminal, termios.TCIFLUSH)
        os.close(terminal)


class Tcp(Line):
    """A port of TCP on 127.0.0.1, for hosts of this machine alone; 0 takes a free one."""

    def __init__(self, port: int) -> None:
        if not 0 <= port <= 0xFFFF:
            raise NhotError(f"TCP port must be 0 to 65535, not {port}")
        try:
            self._listener = socket.create_server(("127.0.0.1", port), backlog=1)
        except OSError as error:
            raise NhotError(
                f"TCP port {port} must be free: {os.strerror(error.errno or 0)}"
            ) from None
        self.address = "{}:{}".format(*self._listener.getsockname())
        self._host = socket.socket()  # nobody

    def wait(self) -> None:
        self._host.close()
        self._host, _ = self._listener.accept()
        self._host.setblocking(False)
        self._host.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def fileno(self) -> int:
        return self._host.fileno()

    def close(self) -> None:
        """Hang up, and give the port back. Does nothing the second time."""
        self._host.close()
        self._listener.close()
