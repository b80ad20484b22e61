"""The clock of a board's engine: known where the engine comes with a board, else given."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, _ArgumentGroup
from math import isfinite
from typing import TYPE_CHECKING

from nhot.errors import NhotError

if TYPE_CHECKING:
    from nhot.compiler import EngineConfig

__all__ = ["add_clock_argument", "engine_clock"]


def add_clock_argument(parser: ArgumentParser | _ArgumentGroup) -> None:
    """Declare ``--clock``."""
    parser.add_argument("--clock", type=float, metavar="MHZ",
                        help="clock of the engine (default: that of the board which comes with it)")


def engine_clock(args: Namespace, config: EngineConfig) -> int:
    """Hz of the engine of ``config``, as given or as known."""
    from nhot.compiler.targets import BOARDS

    if args.clock is not None:
        if not (isfinite(args.clock) and 1 <= args.clock <= 400):
            raise NhotError(f"Clock must be 1 to 400 MHz, not {args.clock:g}")
        megahertz: float = args.clock
        return round(megahertz * 1e6)
    known = sorted({
        clock_hz for board in BOARDS.values() for clock_hz, engine in board.configurations.values()
        if engine == config
    })
    if len(known) == 1:
        return known[0]
    at = " and ".join(f"{clock_hz / 1e6:g}" for clock_hz in known)
    raise NhotError(f"--clock must be given for the engine {config.target_id:#010x}, which "
                    f"{f'boards have at {at} MHz' if known else 'no board comes with'}")
