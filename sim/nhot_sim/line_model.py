"""A serial line with an FTDI adapter, in time of its own: how long a host's way of talking takes.

Nothing waits: reading moves the clock on to the moment at which bytes come.
"""

from __future__ import annotations

from collections import deque

from nhot.device.protocol import BUFFER_BYTES
from nhot_sim.board_model import BoardModel

__all__ = ["FtdiLine"]

_PACKET_BYTES = 62  # of a full-speed packet of 64, two are the adapter's status
_RING_BYTES = 511  # of answers that a board has ready
# Cycles a byte, docs/protocol.md: all are checked, those of a write are read again, and weights
# are taken a bit a cycle. An answer's go through the checksum.
_CHECK, _CARRY_OUT, _ANSWER = 9, 12, 9


class FtdiLine:
    """The way to ``board`` through an adapter, as a :class:`nhot.device.Transport`.

    A byte takes ten bits of time either way. The adapter passes bytes on when it has 62 of them, or
    ``latency`` after the first that waits. The board works in its own time, and loses what its
    queue has no room for.

    Parameters
    ----------
    board : BoardModel
    baud, clock_hz : int
    latency : float
        Seconds of the adapter's timer.
    usb : float
        Seconds from the host to the adapter.

    Attributes
    ----------
    longest : int
        Most bytes that ever were in the board's queue.
    """

    name = "FTDI"

    def __init__(
        self, board: BoardModel, *, baud: int = 1_000_000, clock_hz: int = 24_000_000,
        latency: float = 0.016, usb: float = 0.001,
    ) -> None:
        self.board = board
        self.longest = 0
        self._byte = 10 / baud
        self._cycle = 1 / clock_hz
        self._latency, self._usb = latency, usb
        self._now = self._line_free = self._board_free = self._answers_free = 0.0
        self._queue: deque[tuple[float, int]] = deque()  # when frames leave it, and their bytes
        self._frame = b""
        self._coming: deque[tuple[float, int]] = deque()  # bytes, and when the adapter has them

    def clock(self) -> float:
        """See :class:`nhot.device.Transport`."""
        return self._now

    def close(self) -> None:
        """See :class:`nhot.device.Transport`."""

    def write(self, data: bytes) -> None:
        """See :class:`nhot.device.Transport`."""
        self._line_free = max(self._line_free, self._now + self._usb)
        for byte in data:
            self._line_free += self._byte
            self._frame += bytes([byte])
            if byte == 0:
                self._obey(self._frame, self._line_free)
                self._frame = b""

    def read(self, timeout: float) -> bytes:
        """See :class:`nhot.device.Transport`."""
        packet = list(self._coming)[:_PACKET_BYTES]
        if packet:
            end = packet[0][0] + self._latency
            if len(packet) == _PACKET_BYTES:
                end = min(end, packet[-1][0])
            end = max(end, self._now)
            if end <= self._now + timeout:
                self._now = end
                taken = [byte for time, byte in packet if time <= end]
                for _ in taken:
                    self._coming.popleft()
                return bytes(taken)
        self._now += timeout
        return b""

    def _obey(self, frame: bytes, arrived: float) -> None:
        while self._queue and self._queue[0][0] <= arrived:
            self._queue.popleft()
        held = sum(size for _, size in self._queue) + len(frame)
        if held > BUFFER_BYTES:
            return
        self.longest = max(self.longest, held)
        answer = self.board.answer(frame)
        checked = max(arrived, self._board_free + _CHECK * len(frame) * self._cycle)
        done = checked + (_CARRY_OUT * len(frame) + _ANSWER * len(answer)) * self._cycle
        for byte in answer:
            self._answers_free = max(self._answers_free, done) + self._byte
            self._coming.append((self._answers_free, byte))
        self._board_free = max(done, self._answers_free - _RING_BYTES * self._byte)
        self._queue.append((self._board_free, len(frame)))
