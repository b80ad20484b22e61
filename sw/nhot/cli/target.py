"""The arguments that say which engine is meant: one that a board comes with, or one of your own."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, _ArgumentGroup
from pathlib import Path
from typing import TYPE_CHECKING

from nhot.errors import NhotError

if TYPE_CHECKING:
    from nhot.compiler import EngineConfig

__all__ = ["add_target_arguments", "engine_config", "read_config"]


def add_target_arguments(parser: ArgumentParser | _ArgumentGroup) -> None:
    """Declare ``--board``, ``--configuration`` and ``--config``."""
    parser.add_argument("--board", metavar="BOARD", help="a board that nhot knows, e.g. ulx3s-85f")
    engine = parser.add_mutually_exclusive_group()
    engine.add_argument("--configuration", metavar="NAME",
                        help="which of the board's engines, e.g. 2hot (default: its first)")
    engine.add_argument("--config", type=Path, metavar="FILE",
                        help="sizes of an engine of your own, as JSON (nhot info IMAGE shows them)")


def engine_config(args: Namespace) -> EngineConfig:
    """The sizes of the engine that the arguments name; ``--config`` needs no board."""
    from nhot.compiler.targets import BOARDS, board, target

    if args.config is not None:
        if args.board is not None:
            board(args.board)
        return read_config(args.config)
    if args.board is None:
        raise NhotError(f"--board or --config must be given; boards are {', '.join(BOARDS)}")
    return target(args.board, args.configuration).config


def read_config(path: Path) -> EngineConfig:
    """The sizes in a JSON file; a field that is left out has its default."""
    from nhot.compiler import EngineConfig
    from nhot.filetype import expect
    from nhot.schema import read_json

    expect(path, "config")
    return read_json(EngineConfig, path, "Configuration")
