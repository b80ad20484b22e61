"""``nhot fuzz``: damaged files and frames by the thousand, each refused by name or right."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from nhot.cli.output import OutputFolder, add_json_argument, print_json, print_table
from nhot.printable import say

HELP = "feed damaged files and frames to all that reads them"

COLUMNS = ("kind", "counted", "cases", "accepted", "refused", "faults")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    from nhot_sim.fuzz.kind import KINDS

    parser.add_argument("kinds", nargs="*", metavar="KIND",
                        help=f"what to damage: {', '.join(KINDS)} (default: all)")
    parser.add_argument("--count", type=int, default=1000,
                        help="files or frames of each kind (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1,
                        help="another one damages otherwise (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1,
                        help="processes at a time (default: one a processor)")
    parser.add_argument("--corpus", action=OutputFolder, default=Path("build", "fuzz"),
                        metavar="FOLDER",
                        help="where to keep the bytes of each fault (default: %(default)s)")
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Run a campaign for each kind; the exit code is 1 if there is a fault."""
    from nhot.errors import NhotError
    from nhot.files import check_folder
    from nhot_sim.fuzz.campaign import fuzz, keep
    from nhot_sim.fuzz.kind import KINDS

    for name in args.kinds:
        if name not in KINDS:
            raise NhotError(f"Kind must be one of {', '.join(KINDS)}, not {name!r}")
    for option in ("count", "jobs"):
        if getattr(args, option) < 1:
            raise NhotError(f"--{option} must be at least 1, not {getattr(args, option)}")
    check_folder(args.corpus)
    rows, faults = [], []
    for name in args.kinds or KINDS:
        summary = fuzz(name, count=args.count, seed=args.seed, jobs=args.jobs)
        rows.append((name, args.count, summary.cases, summary.accepted,
                     summary.cases - summary.accepted - len(summary.faults), len(summary.faults)))
        for fault in summary.faults:
            path = keep(name, args.seed, fault, args.corpus)
            faults.append({"kind": name, "case": fault.index, "file": str(path),
                           "fault": fault.text})
    if args.json:
        print_json({"seed": args.seed, "kinds": [dict(zip(COLUMNS, row, strict=True))
                                                 for row in rows], "faults": faults})
    else:
        say(f"seed {args.seed}")
        print_table(COLUMNS, rows, COLUMNS[1:])
        for fault in faults:
            say(f"fault  {fault['kind']} {fault['case']}  {fault['file']}  {fault['fault']!r}")
    return 1 if faults else 0
