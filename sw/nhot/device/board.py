"""What a host can ask of a board."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from nhot.closing import Closing
from nhot.compiler.image import Image
from nhot.contract.config import EngineConfig
from nhot.contract.cycles import run_limit
from nhot.contract.program import Region, unpack_program
from nhot.device.areas import Area, image_areas, read_requests, wipe_requests, write_requests
from nhot.device.link import Link, RefusedError
from nhot.device.protocol import (
    VERSION,
    Boot,
    Fault,
    Hello,
    Opcode,
    Request,
    State,
)
from nhot.device.transport import SerialTransport, Transport
from nhot.errors import DeviceError, NhotError
from nhot.formats.format import Ints

__all__ = ["Board", "LayerTime", "Result", "check_limit"]

#: Bytes that are done and bytes that there are, of a load.
Progress = Callable[[int, int], None]

_TIMING_WORD = 4
_FIRST_POLL, _LAST_POLL = 0.0005, 0.02  # seconds


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run gave.

    Parameters
    ----------
    outputs : Ints
        (height, width, channels), or (batch, height, width, channels) for a batch.
    cycles, stalls : int or Ints
        Clock cycles of the run and how many of them waited for memory; (batch,) for a batch.
    """

    outputs: Ints
    cycles: int | Ints
    stalls: int | Ints


@dataclass(frozen=True, kw_only=True)
class LayerTime:
    """When a layer ended, in clock cycles from the start of the run, and the stalls until then."""

    name: str
    end: int
    stalls: int


class Board(Closing):
    """An engine behind a transport, as a context manager.

    Parameters
    ----------
    transport : Transport
        Closed with the board.
    timeout : float
        Seconds of silence before a request is repeated; after five of them the board is given up.

    Attributes
    ----------
    hello : Hello
        What the board said of itself.

    Raises
    ------
    DeviceError
        From every method: the board does not answer, or is not what it should be.
    """

    def __init__(self, transport: Transport, *, timeout: float = 0.5) -> None:
        self.transport = transport
        self.link = Link(transport, timeout=timeout)
        self._image: Image | None = None
        try:
            self.hello = self._greet()
        except BaseException:
            transport.close()
            raise

    @classmethod
    def open(cls, port: str, *, baud: int = 1_000_000, timeout: float = 0.5) -> Self:
        """The board on a serial port, a pseudo-terminal or a URL that pyserial knows."""
        return cls(SerialTransport(port, baud=baud), timeout=timeout)

    def close(self) -> None:
        """Give the port back."""
        self.transport.close()

    def _greet(self) -> Hello:
        self.transport.write(b"\0")  # ends a frame that another host may have left unfinished
        response = self.link.request(Request(opcode=Opcode.HELLO))
        hello = Hello.from_bytes(response.payload)
        if hello.version != VERSION:
            raise DeviceError(
                f"Board on {self.transport.name} must speak version {VERSION} of the protocol, "
                f"not {hello.version}"
            )
        return hello

    def check(self, config: EngineConfig) -> None:
        """Refuse an engine that is not the board's."""
        if self.hello.target_id != config.target_id:
            raise DeviceError(
                f"Board on {self.transport.name} must have the engine that the image is for, "
                f"{config.target_id:#010x}, not {self.hello.target_id:#010x}"
            )

    def load(
        self, image: Image, *, verify: bool = True, wipe: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Fill the board's memories, which keep what they hold until the power goes.

        A run that is under way is broken off.

        Parameters
        ----------
        verify : bool
            Read everything back, as :meth:`verify` does.
        wipe : bool
            First write zeros to all words of all memories, so that nothing is left of what the
            board has worked on.
        progress : callable, optional
            Called with the bytes done and the bytes in all.
        """
        self.check(image.config)
        self._image = None
        areas = image_areas(image)
        # All in one go: an adapter may hold back the last answer of each for longer than it takes.
        requests = [Request(opcode=Opcode.RESET)]
        if wipe:
            requests += wipe_requests(image.config)
        requests += [request for area in areas for request in area.requests()]
        total = sum(len(request.payload) for request in requests)
        total += verify * sum(len(area.stored) for area in areas)
        done = 0
        for request, _ in zip(requests, self.link.pipeline(requests), strict=True):
            done = _report(progress, done + request.length, total)
        if verify:
            self._verify(areas, progress, done, total)
        self._image = image

    def verify(self, image: Image, *, progress: Progress | None = None) -> None:
        """Compare the board's memories with an image, which can be run if they are the same.

        The first difference raises :class:`MismatchError` with its region, word and both values.
        """
        self.check(image.config)
        self._image = None
        areas = image_areas(image)
        self._verify(areas, progress, 0, sum(len(area.stored) for area in areas))
        self._image = image

    def _verify(
        self, areas: list[Area], progress: Progress | None, done: int, total: int
    ) -> None:
        reads = [read_requests(area.region, 0, area.stored_word, len(area.stored))
                 for area in areas]
        answers = self.link.pipeline([request for area in reads for request in area])
        for area, requests in zip(areas, reads, strict=True):
            held = bytearray()
            for answer in islice(answers, len(requests)):
                held += answer.payload
                done = _report(progress, done + len(answer.payload), total)
            area.compare(bytes(held))

    def run(self, values: ArrayLike, *, limit: float = 60.0) -> Result:
        """Run the loaded network.

        The engine itself ends a run that takes more cycles than the image's program does, or that
        cannot be run; this is a :class:`DeviceError` too.

        Parameters
        ----------
        values : (height, width, channels) or (batch, height, width, channels) integers
        limit : float
            Seconds, by the transport's clock, after which a run that has not ended is broken off,
            with a :class:`DeviceError`.
        """
        check_limit(limit)
        image = self._need_image()
        array = np.asarray(values)
        if array.ndim == 3:
            return self._run_one(image, array, limit)
        if array.ndim != 4 or not len(array):
            raise NhotError(
                f"Input must have shape (height, width, channels) or a batch of them, "
                f"not {array.shape}"
            )
        results = [self._run_one(image, one, limit) for one in array]
        return Result(
            outputs=np.stack([result.outputs for result in results]),
            cycles=np.array([result.cycles for result in results]),
            stalls=np.array([result.stalls for result in results]),
        )

    def status(self) -> State:
        """What the board is doing and has done."""
        return State.from_bytes(self.link.request(Request(opcode=Opcode.STATUS)).payload)

    def boot(self) -> Boot | None:
        """What came of the record in its flash at power-up; None if it reads no flash."""
        try:
            response = self.link.request(Request(opcode=Opcode.BOOT))
        except RefusedError:
            return None
        return Boot.read(response.payload)

    def layer_cycles(self) -> list[LayerTime]:
        """When each layer of the last run ended."""
        layers = self._need_image().meta.layers
        data = self._read(Region.TIMING, 0, _TIMING_WORD, 2 * _TIMING_WORD * len(layers))
        numbers = np.frombuffer(data, "<u4").reshape(-1, 2).tolist()
        return [
            LayerTime(name=layer.name, end=end, stalls=stalls)
            for layer, (end, stalls) in zip(layers, numbers, strict=True)
        ]

    def reset(self) -> None:
        """Break off a run. The memories keep what they hold."""
        self.link.request(Request(opcode=Opcode.RESET))

    def _need_image(self) -> Image:
        if self._image is None:
            raise DeviceError(
                f"Board on {self.transport.name} must be loaded with an image before it can run"
            )
        return self._image

    def _run_one(self, image: Image, values: Ints, limit: float) -> Result:
        source = image.meta.input
        target = image.meta.output
        word = image.config.inputs
        data = source.pack(values)
        list(self.link.pipeline(write_requests(Region.ACTIVATIONS, source.address, word, data)))
        cycles = run_limit(unpack_program(image.program), image.config)
        self.link.request(Request(opcode=Opcode.RUN, address=cycles))
        state = self._wait(limit)
        if state.fault is not Fault.NONE:
            raise DeviceError(self._stopped(image, state))
        data = self._read(Region.ACTIVATIONS, target.address, word, target.words * word)
        return Result(outputs=target.unpack(data), cycles=state.cycles, stalls=state.stalls)

    def _wait(self, limit: float) -> State:
        clock = self.transport.clock
        deadline = clock() + limit
        pause = _FIRST_POLL
        while (state := self.status()).busy:
            if clock() > deadline:
                self.reset()
                raise DeviceError(
                    f"Run on {self.transport.name} must end within {limit:g} s, and was broken off"
                )
            time.sleep(pause)
            pause = min(2 * pause, _LAST_POLL)
        return state

    def _stopped(self, image: Image, state: State) -> str:
        layers = image.meta.layers
        layer = repr(layers[state.layer].name) if state.layer < len(layers) else "the END"
        reason = {
            Fault.PROGRAM: "has no descriptor that it can run",
            Fault.ADDRESS: "reaches beyond a memory",
            Fault.CYCLES: "takes more cycles than the whole program should",
        }[state.fault]
        return (
            f"Run on {self.transport.name} must come to its END, but the engine stopped after "
            f"{state.cycles} cycles at {layer} (descriptor {state.layer}), which {reason}; load "
            "the image again"
        )

    def _read(self, region: Region, address: int, word: int, length: int) -> bytes:
        """Read ``length`` bytes, which is whole words."""
        answers = self.link.pipeline(read_requests(region, address, word, length))
        return b"".join(answer.payload for answer in answers)


def check_limit(limit: float) -> None:
    """Refuse a limit of a run that is no time, or no number."""
    if not limit > 0:
        raise NhotError(f"Limit of a run must be above 0 seconds, not {limit}")


def _report(progress: Progress | None, done: int, total: int) -> int:
    if progress is not None:
        progress(done, total)
    return done
