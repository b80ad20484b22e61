"""``nhot report``: a report as a page that needs no other file."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from nhot.cli.output import OutputFile
from nhot.printable import say

HELP = "turn the data of a report into one HTML page"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("report", type=Path, metavar="REPORT", help="report.json, as nhot wrote it")
    parser.add_argument("-o", "--output", action=OutputFile, metavar="FILE",
                        help="where to write the page (default: beside the report, as .html)")


def run(args: Namespace) -> int:
    """Render the report."""
    from nhot.errors import NhotError
    from nhot.files import write_atomically
    from nhot.filetype import expect
    from nhot.report import render

    expect(args.report, "report")
    try:
        data = json.loads(args.report.read_text(encoding="utf-8"))
    except ValueError as error:
        raise NhotError(f"Report {args.report} must be JSON: {error}") from None
    output = args.output or args.report.with_suffix(".html")
    write_atomically(output, render(data).encode())
    say(output)
    return 0
