"""Parse a command line; of all commands only the one that is named gets imported."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from itertools import takewhile
from typing import NoReturn

from nhot import __version__
from nhot.cli import commands
from nhot.printable import printable

__all__ = ["parse"]

EXIT_CODES = """\
exit codes: 0 done, 1 mismatch or device failure, 2 wrong use or input, 3 tool missing,
            4 build failed, 70 a defect in nhot itself, 130 interrupted"""


def parse(argv: Sequence[str]) -> Namespace:
    """Arguments of the command that ``argv`` names; ``run`` is its function, ``verbosity`` -v - -q.

    Ends the program as argparse does after ``--help``, ``--version`` and wrong use.
    """
    before = list(takewhile(lambda argument: argument.startswith("-"), argv))
    after = argv[len(before):]
    top = _top_parser()
    if not argv or {"-h", "--help"} & set(before):
        top.epilog = _epilog()
    outer = top.parse_args(before)  # ends here after --help and --version
    if not after:
        top.print_help(sys.stderr)
        top.exit(2)
    command = commands.load(after[0])
    parser = _Parser(
        prog=f"nhot {after[0]}", description=command.HELP, allow_abbrev=False,
        formatter_class=RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    _add_verbosity(parser)
    args = parser.parse_args(list(after[1:]))
    args.run = command.run
    args.command = after[0]
    args.verbosity = _verbosity(outer) + _verbosity(args)
    return args


class _Parser(ArgumentParser):
    """Says what is wrong with arguments in visible characters, whatever they are."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def _top_parser() -> ArgumentParser:
    parser = _Parser(
        prog="nhot", usage="nhot [-v] [-q] COMMAND ...", allow_abbrev=False,
        description="Multiplier-free neural networks on small FPGAs.",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"nhot {__version__}")
    _add_verbosity(parser)
    return parser


def _add_verbosity(parser: ArgumentParser) -> None:
    parser.add_argument("-v", "--verbose", action="count", default=0,
                        help="say more; twice: with a traceback when something fails")
    parser.add_argument("-q", "--quiet", action="count", default=0, help="say less")


def _verbosity(args: Namespace) -> int:
    return int(args.verbose - args.quiet)


def _epilog() -> str:
    texts = commands.helps()
    width = max(map(len, texts), default=0)
    lines = [f"  {name:<{width}}  {text}" for name, text in texts.items()]
    return "\n".join(["commands (nhot COMMAND --help says more):", *lines, "", EXIT_CODES])
