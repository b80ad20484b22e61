"""``nhot bench``: measure what the gateware costs, and how fast reference and training are."""

import logging
import os
from argparse import ArgumentParser, Namespace

from nhot.cli.output import OutputFile, add_json_argument, print_json, print_table
from nhot.errors import NhotError

HELP = "measure the cells and the clock of each kind of lane, or how fast the software is"

# What numpy's libraries read when they are loaded.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("what", nargs="?", default="lanes", choices=[*_WHAT],
                        help="what to measure: lanes in gateware, the bit-exact reference beside "
                        "onnxruntime, or rounding and training steps beside float ones (default: "
                        "lanes)")
    parser.add_argument("--family", choices=["ecp5", "ice40"], help="one FPGA family only")
    parser.add_argument("--quick", action="store_true",
                        help="lanes of four inputs only; a shorter look at each layer; small "
                        "networks")
    parser.add_argument("--cells", action="store_true",
                        help="synthesis only: no placed cells, no clock")
    parser.add_argument("--markdown", action=OutputFile, metavar="FILE",
                        help="also write the table of lanes to FILE as Markdown")
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Measure, and print the table."""
    return _WHAT[args.what](args)


def _lanes(args: Namespace) -> int:
    from nhot.files import write_atomically
    from nhot_hw.bench import sweep
    from nhot_hw.bench.lanes import FAMILIES

    families = [args.family] if args.family else list(FAMILIES)
    rows = sweep.sweep(families, (4,) if args.quick else (4, 16), timing=not args.cells)
    if args.markdown is not None:
        write_atomically(args.markdown, sweep.to_markdown(rows).encode())
    return _print(args, sweep.COLUMNS, sweep.COLUMNS[2:], rows, sweep.legend(families))


def _reference(args: Namespace) -> int:
    _refuse_options_of_lanes(args)
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    from nhot_hw.bench import reference

    rows = reference.compare(seconds=0.05 if args.quick else 0.5)
    return _print(args, reference.COLUMNS, reference.COLUMNS[1:], rows, reference.legend())


def _quantisation(args: Namespace) -> int:
    _refuse_options_of_lanes(args)
    from nhot_hw.bench import quantisation

    rows = quantisation.measure(quick=args.quick)
    columns = quantisation.COLUMNS
    return _print(args, columns, columns[3:], rows, quantisation.legend())


def _refuse_options_of_lanes(args: Namespace) -> None:
    for name in ("family", "cells", "markdown"):
        if getattr(args, name):
            raise NhotError(f"--{name} is for nhot bench lanes")


def _print(args: Namespace, columns, numeric, rows, legend) -> int:
    if args.json:
        print_json({"legend": legend, "rows": [row.to_dict() for row in rows]})
        return 0
    print_table(columns, [row.cells() for row in rows], numeric)
    for line in legend:
        logging.getLogger("nhot").info("%s", line)
    return 0


_WHAT = {"lanes": _lanes, "reference": _reference, "quantisation": _quantisation}
