"""``nhot mlperf``: a board behind the device's side of the MLPerf Tiny protocol."""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from nhot.cli.clock import add_clock_argument, engine_clock
from nhot.cli.ports import add_port_arguments, load_image, open_board
from nhot.printable import say

if TYPE_CHECKING:
    from nhot.mlperf import Line

HELP = "let a host of the MLPerf Tiny protocol use a board, as a device compatible with it"

EXAMPLE = """\
examples:
  nhot mlperf kws.img --network kws.onnx --port /dev/ttyUSB1
      prints the name of a pseudo-terminal, which a host opens as a serial port
  nhot mlperf ic.img --network ic.onnx --port virtual --tcp 7000
      the same with a simulated board, on 127.0.0.1:7000

Which of the four models it is follows from the shape of the network's input. What comes of it is
compatible with the protocol of MLPerf Tiny, and no MLPerf result.
"""

_log = logging.getLogger("nhot")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EXAMPLE
    parser.add_argument("image", type=Path, metavar="IMAGE", help="memory image (.img)")
    parser.add_argument("--network", type=Path, required=True, metavar="NET.onnx",
                        help="the network of the image, which has the scales")
    add_port_arguments(parser)
    add_clock_argument(parser)
    parser.add_argument("--input-range", type=float, nargs=2, metavar=("LOW", "HIGH"),
                        help="what the least and the greatest byte of a sample are in the network "
                        "(default: pixels 0 and 1 or 0 and 255, as the network's input has them; "
                        "features those of the reference model)")
    parser.add_argument("--tcp", type=int, metavar="PORT",
                        help="listen on this port of 127.0.0.1 (0: a free one), not on a "
                        "pseudo-terminal")


def run(args: Namespace) -> int:
    """Load the board, and answer hosts until interrupted."""
    from nhot.compiler import Image
    from nhot.mlperf import Inference, Reading, serve
    from nhot.network.file import load
    from nhot.stages import ImageStage

    image, network = Image.read(args.image), load(args.network)
    ImageStage(image, network)  # they must belong together
    clock_hz = engine_clock(args, image.config)
    limits = None if args.input_range is None else (args.input_range[0], args.input_range[1])
    reading = Reading(network, limits)
    with _line(args) as line, open_board(args, image.config) as board:
        load_image(args, board, image)
        say(line.address)
        _log.info("%s at %g MHz; ends with ctrl-C", reading.model.task, clock_hz / 1e6)
        serve(line, Inference(board, reading, clock_hz))


def _line(args: Namespace) -> Line:
    from nhot.mlperf import Pty, Tcp

    return Pty() if args.tcp is None else Tcp(args.tcp)
