"""``nhot demo``: the whole road on handwritten digits, with two weight formats at a time."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from nhot.cli.output import OutputFolder
from nhot.printable import say

if TYPE_CHECKING:
    from nhot_sim.demo import Outcome

HELP = "train digits, compile, verify, load a virtual board, run, and write a report"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("-o", "--output", action=OutputFolder, default=Path("build/demo"),
                        metavar="DIR",
                        help="where networks, images and reports go (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N",
                        help="of all random numbers (default: %(default)s)")


def run(args: Namespace) -> int:
    """Travel with each format in a process of its own, then show what came of it."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from nhot.files import check_folder
    from nhot_sim.demo import FORMATS, travel
    from nhot_sim.demo_report import print_summary

    check_folder(args.output)
    start = time.monotonic()
    # Fresh processes: torch's threads do not survive a fork, and each format gets a core.
    with ProcessPoolExecutor(
        len(FORMATS), mp_context=get_context("spawn"), initializer=_one_thread
    ) as pool:
        jobs = [pool.submit(travel, name, args.output / name, args.seed) for name in FORMATS]
        outcomes = [job.result() for job in jobs]
    print_summary(outcomes, args.output)
    say()
    _write_reports(args.output, outcomes)
    say(f"took {time.monotonic() - start:.0f} s", file=sys.stderr)
    return 0


def _write_reports(folder: Path, outcomes: list[Outcome]) -> None:
    """A report of each format, and a page of both side by side."""
    from nhot.files import write_atomically
    from nhot.report import Entry, Report, render, write_report
    from nhot_sim.demo_report import report

    def page(place: Path, entries: tuple[Entry, ...]) -> None:
        write_report(place / "report.json", entries)
        write_atomically(place / "report.html", render(Report(entries=entries)).encode())
        say(f"report: {place / 'report.html'}")

    entries = tuple(report(one, folder / one.format) for one in outcomes)
    for outcome, entry in zip(outcomes, entries, strict=True):
        page(folder / outcome.format, (entry,))
    page(folder, entries)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
