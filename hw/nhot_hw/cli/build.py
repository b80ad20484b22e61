"""``nhot build``: a bitstream, what it takes, and how fast it is."""

import signal
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from nhot.cli.output import OutputFolder, add_json_argument, print_json, print_table
from nhot.cli.reporting import add, add_report_argument, check_report
from nhot.errors import NhotError
from nhot.printable import say
from nhot_hw.cli.target import add_target_arguments, chosen_target, ignore_unused

if TYPE_CHECKING:
    from nhot_hw.build.modules import Share

HELP = "build the bitstream of a board with open tools, or write a project for its maker's"

_OF_OPEN_TOOLS = ("seed", "seeds", "jobs", "allow_timing_failure", "modules", "report")
"""Arguments that say how open tools build."""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_target_arguments(parser)
    parser.add_argument("-o", "--output", action=OutputFolder, default=Path("build"), metavar="DIR",
                        help="files go to DIR/BOARD/CONFIGURATION (default: build)")
    parser.add_argument("--seed", type=int, default=1, metavar="N",
                        help="start of the placer's random numbers (default: 1)")
    parser.add_argument("--seeds", type=int, default=1, metavar="COUNT",
                        help="place and route from so many seeds, from --seed on, and keep the "
                        "fastest (default: 1)")
    parser.add_argument("--jobs", type=int, metavar="N",
                        help="seeds at a time (default: one a processor)")
    parser.add_argument("--allow-timing-failure", action="store_true",
                        help="write the bitstream even if it is too slow for its clock")
    parser.add_argument("--modules", action="store_true",
                        help="also print which module of the design takes how much")
    add_report_argument(parser)
    parser.set_defaults(of_open_tools={name: parser.get_default(name) for name in _OF_OPEN_TOOLS})
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Build, and print where the bitstream is; or write a project, and print what to run."""
    from nhot.compiler.targets import board

    return _write_project(args) if board(args.board).vendor_tool else _build(args)


def _write_project(args: Namespace) -> int:
    from nhot.compiler.targets import board
    from nhot.files import check_folder
    from nhot_hw.build.project import COMMAND, write_project

    tool = board(args.board).vendor_tool
    for option, default in args.of_open_tools.items():
        if getattr(args, option) != default:
            raise NhotError(f"--{option.replace('_', '-')} must be of a board that open tools "
                            f"build for, not {args.board}, for which {tool} does")
    check_folder(args.output)
    ignore_unused()
    files = write_project(chosen_target(args), args.output)
    folder = files[0].parent
    if args.json:
        print_json({"files": [str(path) for path in files], "folder": str(folder), "tool": tool,
                    "command": COMMAND, "tested": False})
        return 0
    say(f"{folder} has a project for {tool}, untested and not built: no vendor tool was run; to "
        f"build it, run there: {COMMAND}")
    return 0


def _build(args: Namespace) -> int:
    from nhot.files import check_folder
    from nhot.report.collect import build_part
    from nhot.report.schema import Entry
    from nhot_hw.build.entries import modules
    from nhot_hw.build.flow import build

    for option in ("seeds", "jobs"):
        value = getattr(args, option)
        if value is not None and value < 1:
            raise NhotError(f"--{option} must be at least 1, not {value}")
    check_folder(args.output)
    check_report(args)
    ignore_unused()
    with _terminable():
        built = build(
            chosen_target(args), args.output, seed=args.seed, seeds=args.seeds, jobs=args.jobs,
            allow_timing_failure=args.allow_timing_failure,
        )
    if args.report is not None:
        add(args, Entry(build=build_part(built.manifest)))
    shares = modules(built.plan) if args.modules else []
    if args.json:
        print_json({
            "bitstream": str(built.bitstream), "manifest": str(built.manifest_path),
            "logs": str(built.logs), **built.manifest.to_dict(),
            **({"modules": [asdict(share) for share in shares]} if shares else {}),
        })
        return 0
    say(built.bitstream)
    if shares:
        _print_modules(shares)
    return 0


def _print_modules(shares: list["Share"]) -> None:
    kinds = list(shares[0].cells)
    total = {kind: sum(share.cells[kind] for share in shares) for kind in kinds}
    say()
    print_table(["module", *kinds, "of lut4"], [
        [share.module, *(share.cells[kind] for kind in kinds),
         f"{share.cells['lut4'] / max(total['lut4'], 1):.0%}"]
        for share in shares
    ], [*kinds, "of lut4"])


@contextmanager
def _terminable() -> Iterator[None]:
    """Make SIGTERM an interrupt, so that the tools end and nothing half-made is left."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
