"""Requests and responses over a transport that may lose, repeat or alter bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from nhot.device.protocol import BUFFER_BYTES, FrameError, Opcode, Request, Response, Status
from nhot.device.transport import Transport
from nhot.errors import DeviceError

__all__ = ["Link", "RefusedError"]

_LONGEST_FRAME = 1024  # bytes without a delimiter that are kept
_MOST_PENDING = 128
_STREAM_BYTES = 4096  # 40 ms at 1 Mbaud, more than any adapter holds answers back


class RefusedError(DeviceError):
    """The board understands a request, and knows nothing of the kind."""


@dataclass
class _Pending:
    request: Request
    frame: bytes
    response: Response | None = None

    @property
    def is_light(self) -> bool:
        """Whether its answer is no longer than itself, so that many of them need no queue."""
        return self.request.answer_bytes <= len(self.request.payload)


class Link:
    """The host's end of the protocol: many requests under way, each answered or sent again.

    No more is under way than the board's queue holds, so nothing is lost on a sound line; of
    requests that the board works off faster than a line brings them, which are those with a short
    answer, enough to keep the line busy while an adapter holds the answers back. If the board has
    been silent for ``timeout`` seconds, all that is unanswered is sent again, behind a delimiter
    that ends whatever half frame the board may have. All requests but RUN may be carried out twice
    without harm; the board knows a repeated RUN by its sequence number.

    Parameters
    ----------
    transport : Transport
    timeout : float
        Seconds of silence before requests are repeated, by the transport's clock.
    tries : int
        Silences in a row, without an answer between them, before a :class:`DeviceError`.

    Attributes
    ----------
    repeated : int
        Requests that were sent again.
    """

    def __init__(self, transport: Transport, *, timeout: float = 0.5, tries: int = 5) -> None:
        self.transport = transport
        self.timeout = timeout
        self.tries = tries
        self.repeated = 0
        self._sequence = 0
        self._last_run: int | None = None
        self._received = bytearray()

    def request(self, request: Request) -> Response:
        """Send one request and wait for its answer. Errors as :meth:`pipeline`."""
        (response,) = self.pipeline([request])
        return response

    def pipeline(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Send requests, as many at a time as the board can hold; answers in their order.

        Sequence numbers are given here.

        Raises
        ------
        DeviceError
            The board stays silent, or refuses a request.
        """
        source = map(self._prepare, requests)
        ahead = next(source, None)
        pending: list[_Pending] = []
        while ahead is not None or pending:
            batch = b""
            while ahead is not None and _fits(pending, ahead):
                pending.append(ahead)
                batch += ahead.frame
                ahead = next(source, None)
            if batch:
                self.transport.write(batch)
            self._await_answer(pending)
            while pending and (response := pending[0].response) is not None:
                yield self._accept(pending.pop(0).request, response)

    def _prepare(self, request: Request) -> _Pending:
        self._sequence = (self._sequence + 1) % 256
        if request.opcode == Opcode.RUN:
            if self._sequence == self._last_run:  # the board would take it for a repetition
                self._sequence = (self._sequence + 1) % 256
            self._last_run = self._sequence
        numbered = replace(request, sequence=self._sequence)
        return _Pending(numbered, numbered.to_bytes())

    def _await_answer(self, pending: list[_Pending]) -> None:
        """Return once at least one more request has its answer."""
        silences = 0
        clock = self.transport.clock
        deadline = clock() + self.timeout
        while True:
            data = self.transport.read(self.timeout)
            if self._match(data, pending):
                return
            if data and clock() < deadline:
                continue  # the rest of a frame is on its way
            silences += 1
            if silences == self.tries:
                raise DeviceError(
                    f"Board on {self.transport.name} must answer {pending[0].request.opcode.name}, "
                    f"but did not in {self.tries} tries of {self.timeout:g} s"
                )
            self._repeat(pending)
            deadline = clock() + self.timeout

    def _repeat(self, pending: list[_Pending]) -> None:
        lost = [item.frame for item in pending if item.response is None]
        self.repeated += len(lost)
        self.transport.write(b"\0" + b"".join(lost))

    def _match(self, data: bytes, pending: list[_Pending]) -> bool:
        """Give each answer in ``data`` to its request; whether there was one."""
        *frames, rest = (self._received + data).split(b"\0")
        self._received = rest[-_LONGEST_FRAME:]
        matched = False
        for frame in frames:
            try:
                response = Response.from_bytes(bytes(frame))
            except FrameError:
                continue
            for item in pending:
                if item.response is None and _answers(response, item.request):
                    item.response = response
                    matched = True
        return matched

    def _accept(self, request: Request, response: Response) -> Response:
        if response.status == Status.BUSY:
            raise DeviceError(
                f"Board on {self.transport.name} must be idle for {request.opcode.name}, "
                f"not in the middle of a run"
            )
        if response.status == Status.BAD_REQUEST:
            raise RefusedError(
                f"Board on {self.transport.name} must know {request.opcode.name} of region "
                f"{request.region} with {request.length} bytes, but refuses it"
            )
        return response


def _fits(pending: list[_Pending], item: _Pending) -> bool:
    """Whether the board's queue has room, and for the delimiter before a repetition.

    It holds 39 of the shortest frames. What is worked off as it comes is not in the queue for long;
    half of all numbers at most are in use, so that a late answer is not taken for that of a new
    request.
    """
    used = sum(len(other.frame) for other in pending)
    together = [*pending, item]
    if len(together) <= _MOST_PENDING and all(other.is_light for other in together):
        return used + len(item.frame) <= _STREAM_BYTES
    return not pending or used + len(item.frame) < BUFFER_BYTES


def _answers(response: Response, request: Request) -> bool:
    if (response.opcode, response.sequence) != (request.opcode, request.sequence):
        return False
    expected = request.answer_bytes if response.status == Status.OK else 0
    return len(response.payload) == expected
