"""The arguments that say what to put on which board."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nhot.compiler.targets import Target

__all__ = ["add_target_arguments", "chosen_target", "ignore_unused"]


def add_target_arguments(parser: ArgumentParser) -> None:
    """Declare the options of a :class:`Target`, from ``--board`` to ``--patchable``."""
    parser.add_argument("--board", required=True, metavar="BOARD",
                        help="a board that nhot knows, e.g. ulx3s-85f")
    engine = parser.add_mutually_exclusive_group()
    engine.add_argument("--configuration", metavar="NAME",
                        help="which of the board's engines, e.g. 2hot (default: its first)")
    engine.add_argument("--config", type=Path, metavar="FILE",
                        help="sizes of an engine of your own, as JSON")
    parser.add_argument("--clock", type=float, metavar="MHZ",
                        help="clock of the engine (default: what the board's engine has)")
    parser.add_argument("--boot", action="store_true",
                        help="the engine loads itself from the board's flash when it is switched "
                        "on; nhot load --flash writes that")
    parser.add_argument("--patchable", action="store_true",
                        help="the engine's memories hold placeholders at power-up, in the place of "
                        "which nhot patch puts a network, without place and route")


def chosen_target(args: Namespace) -> "Target":
    """The target that the arguments name; an engine of one's own is called after its file."""
    from dataclasses import replace
    from math import isfinite

    from nhot.cli.target import read_config
    from nhot.compiler.targets import target

    chosen = target(args.board, args.configuration)
    if args.config is not None:
        chosen = replace(chosen, configuration=args.config.stem, config=read_config(args.config))
    if args.clock is not None:
        hertz = args.clock * 1e6
        chosen = replace(chosen, clock_hz=round(hertz) if isfinite(hertz) else hertz)
    return replace(chosen, boot=args.boot, patchable=args.patchable)


def ignore_unused() -> None:
    """Do not let Amaranth warn of what a failed command has left without use."""
    import warnings

    from amaranth.hdl import UnusedElaboratable

    warnings.simplefilter("ignore", UnusedElaboratable)
