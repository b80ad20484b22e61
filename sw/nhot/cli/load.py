"""``nhot load``: put an image into a board, and read it back."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from nhot.cli.output import add_json_argument, print_json
from nhot.cli.ports import add_port_arguments, load_image, open_board
from nhot.printable import say

HELP = "load an image into a board and read it back"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="memory image (.img)")
    add_port_arguments(parser)
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Load the image."""
    from nhot.compiler import Image

    image = Image.read(args.image)
    with open_board(args, image.config) as board:
        start = time.monotonic()
        load_image(args, board, image)
        seconds = time.monotonic() - start
    size = len(image.program) + len(image.requant) + len(image.weights)
    verified = not args.no_verify
    if args.json:
        print_json({"network": image.meta.network, "bytes": size, "verified": verified,
                    "target_id": f"{image.config.target_id:#010x}", "seconds": round(seconds, 3)})
    else:
        say(f"loaded {image.meta.network}: {size:,} bytes in {seconds:.2f} s, "
              f"{'read back and equal' if verified else 'not read back'}")
    return 0
