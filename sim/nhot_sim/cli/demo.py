"""``nhot demo``: the whole road on handwritten digits, with two weight formats at a time."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from nhot.cli.output import OutputFolder
from nhot.printable import say

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

    from nhot.files import check_folder, write_atomically
    from nhot.report import render
    from nhot_sim.demo import FORMATS, travel
    from nhot_sim.demo_report import print_summary, report

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
    for outcome in outcomes:
        folder = args.output / outcome.format
        write_atomically(folder / "report.html", render(report(outcome, folder)).encode())
        say(f"report: {folder / 'report.html'}")
    say(f"took {time.monotonic() - start:.0f} s", file=sys.stderr)
    return 0


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
