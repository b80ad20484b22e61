"""``nhot build``: a bitstream, what it takes, and how fast it is."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from nhot.cli.output import OutputFolder, add_json_argument, print_json
from nhot.cli.reporting import add, add_report_argument, check_report
from nhot.printable import say
from nhot_hw.cli.target import add_target_arguments, chosen_target, ignore_unused

HELP = "build the bitstream of a board with open tools"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_target_arguments(parser)
    parser.add_argument("-o", "--output", action=OutputFolder, default=Path("build"), metavar="DIR",
                        help="files go to DIR/BOARD/CONFIGURATION (default: build)")
    parser.add_argument("--seed", type=int, default=1, metavar="N",
                        help="start of the placer's random numbers (default: 1)")
    parser.add_argument("--allow-timing-failure", action="store_true",
                        help="write the bitstream even if it is too slow for its clock")
    add_report_argument(parser)
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Build, and print where the bitstream is."""
    from nhot.files import check_folder
    from nhot.report.collect import build_part
    from nhot.report.schema import Entry
    from nhot_hw.build.flow import build

    check_folder(args.output)
    check_report(args)
    ignore_unused()
    built = build(
        chosen_target(args), args.output, seed=args.seed,
        allow_timing_failure=args.allow_timing_failure,
    )
    if args.report is not None:
        add(args, Entry(build=build_part(built.manifest)))
    if args.json:
        print_json({
            "bitstream": str(built.bitstream), "manifest": str(built.manifest_path),
            "logs": str(built.logs), **built.manifest.to_dict(),
        })
    else:
        say(built.bitstream)
    return 0
