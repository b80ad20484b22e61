"""``nhot compile``: a network file becomes the memory image of an engine."""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path

from nhot.cli.output import OutputFile, add_json_argument, print_json
from nhot.cli.target import add_target_arguments, engine_config
from nhot.printable import say

HELP = "compile a network into the memory image of a board"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("network", type=Path, metavar="NETWORK", help="network file (.onnx)")
    add_target_arguments(parser)
    parser.add_argument("-o", "--output", action=OutputFile, metavar="FILE",
                        help="the image (default: beside the network, as .img)")
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Compile and write the image."""
    from nhot.cli.info import image_facts
    from nhot.compiler import compile_network
    from nhot.files import write_atomically
    from nhot.network.file import load

    config = engine_config(args)
    image = compile_network(load(args.network), config)
    output = args.output or args.network.with_suffix(".img")
    data = image.to_bytes()
    write_atomically(output, data)
    facts = image_facts(image)
    if args.json:
        print_json({"file": str(output), **facts})
        return 0
    say(output)
    for section in facts["sections"]:
        logging.getLogger("nhot").info(
            "%-8s %6d of %6d words", section["name"], section["words"], section["depth"]
        )
    logging.getLogger("nhot").info("%s cycles an inference", f"{facts['cycles']:,}")
    return 0
