"""``nhot bench``: measure what the gateware costs."""

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path

from nhot.cli.output import add_json_argument, print_json, print_table

HELP = "measure the cells and the clock of each kind of lane"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("what", nargs="?", default="lanes", choices=["lanes"],
                        help="what to measure (default: lanes)")
    parser.add_argument("--family", choices=["ecp5", "ice40"], help="one FPGA family only")
    parser.add_argument("--quick", action="store_true", help="lanes of four inputs only")
    parser.add_argument("--cells", action="store_true",
                        help="synthesis only: no placed cells, no clock")
    parser.add_argument("--markdown", type=Path, metavar="FILE",
                        help="also write the table to FILE as Markdown")
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Measure, and print the table."""
    from nhot.files import check_folders, write_atomically
    from nhot_hw.bench import sweep
    from nhot_hw.bench.lanes import FAMILIES

    check_folders(args.markdown)
    families = [args.family] if args.family else list(FAMILIES)
    rows = sweep.sweep(families, (4,) if args.quick else (4, 8), timing=not args.cells)
    if args.markdown is not None:
        write_atomically(args.markdown, sweep.to_markdown(rows).encode())
    if args.json:
        print_json({"legend": sweep.legend(families), "rows": [row.to_dict() for row in rows]})
        return 0
    print_table(sweep.COLUMNS, [row.cells() for row in rows], sweep.COLUMNS[2:])
    for line in sweep.legend(families):
        logging.getLogger("nhot").info("%s", line)
    return 0
