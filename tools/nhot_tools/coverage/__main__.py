"""``make coverage``: what the tests do not run, and which bits of the engine never change."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from nhot.cli.failures import guarded
from nhot.progress import configure_logging
from nhot_tools.coverage.sources import parts, print_lines
from nhot_tools.coverage.toggles import measure_toggles, print_toggles
from nhot_tools.suite import Measured, measure, measure_all
from nhot_tools.tree import BUILD, Tree, files

FOLDER = BUILD / "coverage"


def main(argv: list[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    with guarded(sys.argv[1:] if argv is None else argv) as outcome:
        args = _parser().parse_args(argv)
        configure_logging(0)
        outcome.code = _run(args)
    return outcome.code


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="make coverage ARGS=", description=__doc__)
    parser.add_argument("what", nargs="*", choices=["lines", "toggles", []], default=[],
                        help="lines and branches of the sources, or toggles of the Verilog "
                        "(default: both)")
    parser.add_argument("--jobs", type=int, default=2, help="tests at a time (default: 2)")
    parser.add_argument("--seeds", type=int, default=24, metavar="N",
                        help="networks to run for the toggles (default: 24)")
    parser.add_argument("--tests", nargs="+", default=[], metavar="FILE",
                        help="files of tests to run (default: all but slow tests)")
    return parser


def _run(args: Namespace) -> int:
    code = 0
    if "lines" in args.what or not args.what:
        measured = _measured(args)
        FOLDER.mkdir(parents=True, exist_ok=True)
        print_lines(parts(measured, FOLDER))
        for test in sorted(measured.failed):
            print(f"nhot: failed: {test}", file=sys.stderr)
            code = 1
    if "toggles" in args.what or not args.what:
        print_toggles(measure_toggles(args.seeds))
    return code


def _measured(args: Namespace) -> Measured:
    if not args.tests:
        return measure_all(args.jobs)
    tree = Tree(FOLDER / "copy", files())
    return measure(tree, FOLDER / "named", jobs=args.jobs, selection=args.tests)


if __name__ == "__main__":
    sys.exit(main())
