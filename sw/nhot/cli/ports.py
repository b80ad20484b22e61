"""The arguments that say where a board is, and the way to it.

A port is that of a serial adapter, or a name of the entry-point group ``nhot.ports``: a callable
that takes the engine's configuration and gives a context manager whose ``transport()`` is the way
to a board. So ``virtual`` is found without this package knowing of the simulator. The name of a
board may follow behind a colon, which then must come with that engine.
"""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace, _ArgumentGroup
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from nhot.printable import printable

if TYPE_CHECKING:
    from nhot.compiler import EngineConfig, Image
    from nhot.device import Board

__all__ = ["GROUP", "add_port_arguments", "compare_image", "load_image", "open_board",
           "open_port", "place_of"]

GROUP = "nhot.ports"

BAUD = 1_000_000

_log = logging.getLogger("nhot")


def add_port_arguments(
    parser: ArgumentParser | _ArgumentGroup, *, required: bool = True
) -> None:
    """Declare ``--port``, ``--baud`` and ``--no-verify``."""
    parser.add_argument("--port", required=required, metavar="PORT",
                        help="serial port of the board (nhot doctor lists them), or virtual: a "
                        "simulated board for as long as the command runs (virtual:icebreaker: "
                        "refused if that does not come with the image's engine)")
    parser.add_argument("--baud", type=int, default=BAUD, metavar="RATE",
                        help="bits a second on a serial port (default: %(default)s)")
    parser.add_argument("--no-verify", action="store_true",
                        help="do not read back what was loaded")


@contextmanager
def open_port(port: str, config: EngineConfig, *, baud: int = BAUD) -> Iterator[Board]:
    """The board on ``port``; one that is simulated has the engine of ``config``."""
    from nhot.device import Board

    makers = {point.name: point for point in entry_points(group=GROUP)}
    kind, colon, name = port.partition(":")
    with ExitStack() as stack:
        if kind in makers:
            if colon:
                _check_engine(name, config)
            _log.info("starting a %s board (it is built first if its engine is new)", kind)
            place = stack.enter_context(makers[kind].load()(config))
            yield stack.enter_context(Board(place.transport()))
        else:
            yield stack.enter_context(Board.open(port, baud=baud))


def _check_engine(board_name: str, config: EngineConfig) -> None:
    """Refuse an engine that a board does not come with."""
    from nhot.compiler.targets import board
    from nhot.errors import NhotError

    known = board(board_name).configurations
    if config not in [one for _, one in known.values()]:
        raise NhotError(
            f"Image must be for an engine that {board_name} comes with ({', '.join(known)}), "
            f"not for {config.target_id:#010x}"
        )


def place_of(args: Namespace) -> str:
    """Where the board is that the arguments name, for people: simulated, or on a port."""
    kind = args.port.partition(":")[0]
    simulated = kind in {point.name for point in entry_points(group=GROUP)}
    return printable(f"{kind} board" if simulated else f"board on {args.port}")


def open_board(args: Namespace, config: EngineConfig) -> AbstractContextManager[Board]:
    """The board that the arguments name; one that is simulated has the engine of ``config``."""
    return open_port(args.port, config, baud=args.baud)


def load_image(args: Namespace, board: Board, image: Image, *, wipe: bool = False) -> None:
    """Load ``image`` into ``board``, with progress, and read it back unless told not to.

    With ``wipe`` nothing is left of what was there before.
    """
    with _shown("loading") as progress:
        board.load(image, verify=not args.no_verify, wipe=wipe, progress=progress)


def compare_image(board: Board, image: Image) -> None:
    """Compare the memories of ``board`` with ``image``, with progress.

    Where they differ, :class:`MismatchError` also says what the board found in its flash.
    """
    from nhot.device.protocol import Boot
    from nhot.errors import MismatchError

    found = {
        Boot.NONE: "no network", Boot.FOREIGN: "a network for another engine",
        Boot.DAMAGED: "a damaged network", Boot.LOADED: "a network, which it loaded",
    }
    try:
        with _shown("comparing") as progress:
            board.verify(image, progress=progress)
    except MismatchError as error:
        outcome = board.boot()
        if outcome is None:
            raise
        raise MismatchError(f"{error} (in its flash it found {found[outcome]})") from None


@contextmanager
def _shown(what: str) -> Iterator[Callable[[int, int], None]]:
    """What shows the bytes done, of so many."""
    from nhot.progress import Progress

    with Progress(what, unit="bytes") as progress:
        def show(done: int, total: int) -> None:
            progress.total = total
            progress.to(done)

        yield show
