"""The command line: ``nhot COMMAND ...``.

A command is a module that the entry-point group ``nhot.commands`` names. It has ``HELP``, one line;
``add_arguments(parser)``; and ``run(args) -> int``, which returns the exit code. Such a module
imports only what is light: torch, amaranth, cocotb and numpy are imported by ``run``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from nhot.cli.failures import guarded
from nhot.cli.parser import parse
from nhot.progress import configure_logging

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    0 done, 1 mismatch or device failure, 2 wrong use or input, 3 tool missing, 4 build failed,
    70 a defect in nhot itself, 130 interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    with guarded(arguments) as outcome:
        args = parse(arguments)
        outcome.verbosity = args.verbosity
        configure_logging(args.verbosity)
        outcome.code = args.run(args)
    return outcome.code
