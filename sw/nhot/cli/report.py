"""``nhot report``: reports as a page that needs no other file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from nhot.cli.output import OutputFile
from nhot.printable import say

HELP = "turn the data of reports into one HTML page"

EXAMPLE = """\
examples:
  nhot quantize model.py:build --data train.npz --test test.npz -o net.onnx --report net.json
  nhot compile net.onnx --board icebreaker --report net.json
  nhot verify net.img --report net.json
  nhot report net.json
      net.html, with what all three found out
  nhot report 2hot.json ternary.json -o both.html
      networks side by side, then each in full
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EXAMPLE
    parser.add_argument("report", type=Path, nargs="+", metavar="REPORT",
                        help="what --report of the other commands has written")
    parser.add_argument("-o", "--output", action=OutputFile, metavar="FILE",
                        help="where to write the page (default: beside the first report, as .html)")
    parser.add_argument("--title", default="", metavar="TEXT",
                        help="of the page (default: the name of the network)")


def run(args: Namespace) -> int:
    """Render the reports, entries about the same network and image joined."""
    from nhot.errors import NhotError
    from nhot.files import check_files, write_atomically
    from nhot.report import Entry, Report, merge, read_report, render

    output = args.output or args.report[0].with_suffix(".html")
    if output in args.report:
        raise NhotError(f"Page must be another file than the report, not {str(output)!r}")
    check_files(output)
    entries: tuple[Entry, ...] = ()
    for path in args.report:
        for entry in read_report(path).entries:
            entries = merge(entries, entry)
    write_atomically(output, render(Report(entries=entries), args.title).encode())
    say(output)
    return 0
