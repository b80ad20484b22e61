"""``nhot serve``: a page on this machine that shows a live board."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from nhot.cli.clock import add_clock_argument, given_clock, known_clock
from nhot.cli.ports import add_port_arguments, open_board, place_of
from nhot.errors import NhotError
from nhot.printable import say

if TYPE_CHECKING:
    from nhot.compiler import EngineConfig, Image
    from nhot.device import Board
    from nhot.network import Network

HELP = "show a live board in the browser: draw, drop a picture or speak, and see what it answers"

EXAMPLE = """\
examples:
  nhot serve digits.img --network digits.onnx --port virtual
      prints the address of a page, on 127.0.0.1 alone
  nhot serve kws.img --network kws.onnx --port /dev/ttyUSB1 --http 8000
  nhot serve --port /dev/ttyUSB1
      the network is chosen on the page
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EXAMPLE
    parser.add_argument("image", type=Path, nargs="?", metavar="IMAGE",
                        help="memory image (.img); it can be loaded on the page, too")
    parser.add_argument("--network", type=Path, metavar="NET.onnx",
                        help="the network of the image, which has the scales")
    add_port_arguments(parser)
    add_clock_argument(parser)
    parser.add_argument("--http", type=int, default=8000, metavar="PORT",
                        help="of the page, on 127.0.0.1; 0: a free one (default: %(default)s)")
    parser.add_argument("--classes", metavar="NAME,...", default="",
                        help="names of the classes, in the order of outputs")
    parser.add_argument("--input-range", type=float, nargs=2, metavar=("LOW", "HIGH"),
                        help="what black and white are in the network (default: 0 and 255 where "
                        "its input reaches so far, else 0 and 1)")


def run(args: Namespace) -> int:
    """Load the board, and answer the page until interrupted."""
    from nhot.serve import Server, Table
    from nhot.serve.facts import Facts
    from nhot.serve.samples import Samples

    clock = given_clock(args)
    files = _files(args)
    samples = Samples(None if args.input_range is None else tuple(args.input_range))
    names = [name.strip() for name in args.classes.split(",")] if args.classes else []
    facts = Facts(samples, lambda config: known_clock(clock, config), place_of(args), names)

    def opened(config: EngineConfig) -> AbstractContextManager[Board]:
        return open_board(args, config)

    with Table(opened, verify=not args.no_verify) as table:
        with Server(table, facts, samples, args.http) as server:
            if files is not None:
                table.load(*files)
            say(server.address)
            server.run()
    return 0


def _files(args: Namespace) -> tuple[Image, Network] | None:
    from nhot.compiler import Image
    from nhot.network.file import load

    if (args.image is None) != (args.network is None):
        raise NhotError("IMAGE and --network must be given together, or neither of them")
    return None if args.image is None else (Image.read(args.image), load(args.network))
