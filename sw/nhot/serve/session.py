"""The board on the table: one network at a time, one request at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from nhot.closing import Closing
from nhot.compiler import EngineConfig, Image
from nhot.device import Board, LayerTime, Result, State
from nhot.errors import DeviceError, NhotError
from nhot.formats.format import Ints
from nhot.network import Network, Tensor
from nhot.stages import ImageStage

__all__ = ["Busy", "Counters", "Ran", "Table"]

_END_SECONDS = 10.0  # that a request may still have when the table is left


class Busy(NhotError):
    """The board is at work on another request."""


@dataclass(frozen=True, kw_only=True)
class Counters:
    """What a board and its link have counted.

    Parameters
    ----------
    state : State
        Of the board.
    repeated : int
        Requests that were sent again.
    """

    state: State
    repeated: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Ran:
    """One run: on what, what it gave, when each layer ended, and the counters behind it."""

    image: Image
    network: Network
    values: Ints
    result: Result
    times: list[LayerTime]
    counters: Counters


class Table(Closing):
    """A board that is opened with its first image, and again after a failure.

    Parameters
    ----------
    opened : callable
        Gives the board for an engine, as a context manager.
    verify : bool
        Read back what was loaded.

    Attributes
    ----------
    loaded : (Image, Network), optional
        What runs: on the board, or loaded again with the next run if a load or a board has failed.
    progress : (int, int)
        Bytes done and bytes in all, of the last load.
    counters : Counters, optional
        As of the last request.
    """

    def __init__(
        self, opened: Callable[[EngineConfig], AbstractContextManager[Board]], *,
        verify: bool = True,
    ) -> None:
        self._opened = opened
        self._verify = verify
        self._turn = threading.Lock()
        self._stack = ExitStack()
        self._board: Board | None = None
        self.loaded: tuple[Image, Network] | None = None
        self.progress = (0, 0)
        self.counters: Counters | None = None

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return self._turn.locked()

    def close(self) -> None:
        """Give the board back, after the request that is under way; there are no more of them."""
        self._turn.acquire(timeout=_END_SECONDS)
        self._stack.close()

    def load(self, image: Image, network: Network) -> None:
        """Load the image of ``network``. Raises :class:`NhotError` if they do not belong together,
        before the board has been touched."""
        ImageStage(image, network)
        with self._only_one() as stack:
            self._load(stack, image, network)

    def run(self, sample: Callable[[Tensor], Ints]) -> Ran:
        """Run the network on what ``sample`` gives for its input: integers (height, width,
        channels)."""
        with self._only_one() as stack:
            if self.loaded is None:
                raise NhotError("An image must be loaded before it can run")
            image, network = self.loaded
            values = sample(network.input)
            board = self._board or self._load(stack, image, network)
            result, times = board.run(values), board.layer_cycles()
            self.counters = Counters(state=board.status(), repeated=board.link.repeated)
            return Ran(image=image, network=network, values=values, result=result, times=times,
                       counters=self.counters)

    @contextmanager
    def _only_one(self) -> Iterator[ExitStack]:
        """A turn with the board; if it fails, the next turn opens it anew."""
        if not self._turn.acquire(blocking=False):
            raise Busy("Board must be idle, not at work on another request")
        try:
            yield self._stack
        except DeviceError:
            self._drop()
            raise
        finally:
            self._turn.release()

    def _load(self, stack: ExitStack, image: Image, network: Network) -> Board:
        if self._board is not None and self._board.hello.target_id != image.config.target_id:
            self._drop()  # a simulated board comes with the engine that is asked for
        board = self._board or stack.enter_context(self._opened(image.config))
        self._board = None  # until all of it is there; what was loaded before comes back then
        board.load(image, verify=self._verify, progress=self._show)
        self._board, self.loaded = board, (image, network)
        self.counters = Counters(state=board.status(), repeated=board.link.repeated)
        return board

    def _show(self, done: int, total: int) -> None:
        self.progress = (done, total)

    def _drop(self) -> None:
        self._board = None
        self._stack.close()
