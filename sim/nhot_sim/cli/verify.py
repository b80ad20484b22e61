"""``nhot verify``: the chain of equalities from the network to the Verilog."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nhot.cli.output import add_json_argument, print_json
from nhot.cli.reporting import (
    SIMULATION,
    add,
    add_report_argument,
    check_report,
    image_entry,
    made,
    network_entry,
)
from nhot.errors import NhotError
from nhot.printable import say

if TYPE_CHECKING:
    from nhot.network import Network

HELP = "prove an image equal to its network, down to the generated Verilog"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="memory image (.img)")
    parser.add_argument("--network", type=Path, metavar="NET.onnx",
                        help="the network it was compiled from (default: IMAGE with .onnx)")
    parser.add_argument("--input", type=Path, metavar="X.npy",
                        help="integers (batch, height, width, channels), or one sample "
                        "(default: random ones, low ones and high ones)")
    parser.add_argument("--simulated", type=int, default=1, metavar="N",
                        help="inputs to run on the gateware (default: %(default)s)")
    parser.add_argument("--simulator", choices=["icarus", "verilator"],
                        help="for the Verilog (default: the one that is faster for this image)")
    parser.add_argument("--full", action="store_true",
                        help="Amaranth's simulator too, where it takes more than five minutes")
    add_report_argument(parser)
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Walk the chain; the first difference ends it with exit code 1."""
    from nhot.cli.run import read_inputs
    from nhot.compiler import Image
    from nhot.network.file import load
    from nhot.report.schema import Link, Verified
    from nhot.testing.engine_networks import extreme_inputs
    from nhot_sim.chain import verify

    if args.simulated < 1:
        raise NhotError(f"Number of simulated inputs must be at least 1, not {args.simulated}")
    check_report(args)
    image = Image.read(args.image)
    path = args.network or args.image.with_suffix(".onnx")
    network = load(path) if args.network else _beside(path)
    if args.input is None:
        inputs = extreme_inputs(network)
    else:
        inputs = read_inputs(args.input, network.input.shape)
    links = []
    for link in verify(
        network, image, inputs, simulated=args.simulated, simulator=args.simulator, full=args.full
    ):
        links.append({"link": link.name, "compared": link.compared, "left_out": link.left_out})
        if link.left_out and not args.json:
            say(f"left out  {link.name:21} {link.compared}; --full runs it")
        elif not args.json:
            say(f"equal  {link.name:24} {link.compared}")
    if args.report is not None:
        held = (link for link in links if not link["left_out"])
        verified = Verified(
            links=tuple(Link(link=link["link"], compared=link["compared"]) for link in held),
            made=made("verify", SIMULATION),
        )
        known = network_entry(network, path)
        add(args, replace(image_entry(image), network=known.network, verified=verified))
    if args.json:
        print_json(links)
    return 0


def _beside(path: Path) -> Network:
    """The network that lies where the image is, by the image's name."""
    from nhot.network.file import load

    try:
        return load(path)
    except NhotError as error:
        if error.exit_code != NhotError.exit_code:
            raise  # a missing package is not the file's fault
        raise NhotError(f"{error}; name the network that was compiled with --network") from None
