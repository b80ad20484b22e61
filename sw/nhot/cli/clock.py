"""The clock of a board's engine: known where the engine comes with a board, else given."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, _ArgumentGroup
from math import isfinite
from typing import TYPE_CHECKING

from nhot.errors import NhotError

if TYPE_CHECKING:
    from nhot.compiler import EngineConfig

__all__ = ["add_clock_argument", "engine_clock", "given_clock",
           "known_clock"]


def add_clock_argument(parser: ArgumentParser | _ArgumentGroup) -> None:
    """Declare ``--clock``."""
    parser.add_argument("--clock", type=float, metavar="MHZ",
                        help="clock of the engine (default: that of the board which comes with it)")


def engine_clock(args: Namespace, config: EngineConfig) -> int:
    """Hz of the engine of ``config``; it is an error if they are not known."""
    clock_hz = known_clock(given_clock(args), config)
    if clock_hz is None:
        at = " and ".join(f"{one / 1e6:g}" for one in _clocks(config))
        raise NhotError(f"--clock must be given for the engine {config.target_id:#010x}, which "
                        f"{f'boards have at {at} MHz' if at else 'no board comes with'}")
    return clock_hz


def given_clock(args: Namespace) -> int | None:
    """Hz that the arguments say, if they do."""
    megahertz: float | None = args.clock
    if megahertz is None:
        return None
    if not (isfinite(megahertz) and 1 <= megahertz <= 400):
        raise NhotError(f"Clock must be 1 to 400 MHz, not {megahertz:g}")
    return round(megahertz * 1e6)


def known_clock(given: int | None, config: EngineConfig) -> int | None:
    """Hz of the engine of ``config``, as given, or as the boards have it that come with it."""
    if given is not None:
        return given
    known = _clocks(config)
    return known[0] if len(known) == 1 else None


def _clocks(config: EngineConfig) -> list[int]:
    from nhot.compiler.targets import BOARDS

    return sorted({
        clock_hz for board in BOARDS.values() for clock_hz, engine in board.configurations.values()
        if engine == config
    })
