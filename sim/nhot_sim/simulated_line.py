"""The line to a simulated board, on which time is the board's own."""

from collections.abc import Callable
from typing import NamedTuple

from nhot.device.transport import SerialTransport

__all__ = ["Progress", "SimulatedTransport"]

_LOOK_SECONDS = 0.01


class Progress(NamedTuple):
    """How far a simulated board is.

    Parameters
    ----------
    cycles : int
        Clock cycles since it began.
    received, sent : int
        Bytes that it has taken from its terminal, and given to it.
    asleep : int
        1 if nothing will happen until the next byte comes.
    """

    cycles: int
    received: int
    sent: int
    asleep: int


class SimulatedTransport(SerialTransport):
    """The terminal of a simulated board.

    Seconds are those of the board's clock: a machine may be as slow as it likes. While the board
    sleeps its time stands still, so that no byte is waited for which cannot come.

    Parameters
    ----------
    port : str
    progress : callable
        Asks the board how far it is; raises :class:`DeviceError` if it has ended.
    clock_hz : int
    """

    def __init__(self, port: str, progress: Callable[[], Progress], *, clock_hz: int) -> None:
        super().__init__(port, patient=True)
        self._progress = progress
        self._clock_hz = clock_hz
        try:  # an earlier host's bytes are none of this one's
            _, self._received, self._sent, _ = progress()
        except BaseException:
            self.close()
            raise

    def read(self, timeout: float) -> bytes:
        """See :class:`nhot.device.Transport`."""
        start = self._progress().cycles
        while not (data := super().read(_LOOK_SECONDS)):
            now = self._progress()
            # Bytes are for a moment in the terminal, where neither side sees them.
            all_taken = now.received >= self._received and now.sent <= self._sent
            if (now.asleep and all_taken) or now.cycles - start > timeout * self._clock_hz:
                return b""
        self._sent += len(data)
        return data

    def write(self, data: bytes) -> None:
        """See :class:`nhot.device.Transport`."""
        super().write(data)
        self._received += len(data)

    def clock(self) -> float:
        """See :class:`nhot.device.Transport`."""
        return self._progress().cycles / self._clock_hz
