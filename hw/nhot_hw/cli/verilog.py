"""``nhot verilog``: the gateware as Verilog, with constraints and a map of its registers."""

from argparse import ArgumentParser, Namespace

from nhot.cli.output import OutputFolder
from nhot.printable import say
from nhot_hw.cli.target import add_target_arguments, chosen_target, ignore_unused

HELP = "write the Verilog, constraints and register map of an engine"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_target_arguments(parser)
    parser.add_argument("-o", "--output", action=OutputFolder, required=True, metavar="DIR",
                        help="folder for top.v, the constraints, engine.json and registers.md")


def run(args: Namespace) -> int:
    """Write the files, and print their names."""
    from nhot_hw.build.sources import write_sources

    ignore_unused()
    for path in write_sources(chosen_target(args), args.output):
        say(path)
    return 0
