"""``nhot load``: put an image into a board or into its flash, and read it back."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nhot.cli.output import OutputFile, add_json_argument, print_json
from nhot.cli.ports import add_port_arguments, load_image, open_board
from nhot.printable import say

if TYPE_CHECKING:
    from nhot.compiler import Image

HELP = "load an image into a board or into its flash, and read it back"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="memory image (.img)")
    add_port_arguments(parser, required=False)
    parser.add_argument("--flash", action="store_true",
                        help="write it to the flash of --board with openFPGALoader, from which a "
                        "bitstream of nhot build --boot loads itself when it is switched on")
    parser.add_argument("--board", metavar="BOARD", help="whose flash, e.g. ulx3s-85f")
    parser.add_argument("--flash-file", action=OutputFile, metavar="FILE.bin",
                        help="only write what belongs into the flash to a file")
    parser.add_argument("--wipe", action="store_true",
                        help="first write zeros to every word of the board's memories, so that "
                        "nothing is left of an earlier network and its inputs")
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Load the image."""
    from nhot.compiler import Image
    from nhot.errors import NhotError

    ways = [args.port is not None, args.flash, args.flash_file is not None]
    if sum(ways) != 1:
        raise NhotError(f"One of --port, --flash and --flash-file must be given, not {sum(ways)}")
    if args.flash != (args.board is not None):
        raise NhotError("--flash and --board must be given together, not one without the other")
    if args.wipe and args.port is None:
        raise NhotError("--wipe is for a board at --port, not for its flash, which is written anew")
    image = Image.read(args.image)
    facts = {"network": image.meta.network, "target_id": f"{image.config.target_id:#010x}"}
    act = _into_board if args.port is not None else _into_flash if args.flash else _into_file
    done, text = act(args, image)
    if args.json:
        print_json(facts | done)
    else:
        say(text)
    return 0


def _into_board(args: Namespace, image: Image) -> tuple[dict[str, Any], str]:
    with open_board(args, image.config) as board:
        start = time.monotonic()
        load_image(args, board, image, wipe=args.wipe)
        seconds = time.monotonic() - start
    size = len(image.program) + len(image.requant) + len(image.weights)
    return (
        {"bytes": size, "verified": not args.no_verify, "seconds": round(seconds, 3)},
        f"loaded {image.meta.network}: {size:,} bytes in {seconds:.2f} s, {_verified(args)}",
    )


def _into_flash(args: Namespace, image: Image) -> tuple[dict[str, Any], str]:
    from nhot.compiler.targets import board
    from nhot.device.flash_record import flash_record
    from nhot.device.programmer import Programmer

    known, record = board(args.board), flash_record(image)
    Programmer(known).write(record, verify=not args.no_verify)
    text = (
        f"wrote {image.meta.network}: {len(record):,} bytes at {known.flash.offset:#x} of the "
        f"flash of {known.name}, {_verified(args)}"
    )
    return {"bytes": len(record), "verified": not args.no_verify, "board": known.name,
            "address": known.flash.offset}, text


def _into_file(args: Namespace, image: Image) -> tuple[dict[str, Any], str]:
    from nhot.device.flash_record import flash_record
    from nhot.files import write_atomically

    record = flash_record(image)
    write_atomically(args.flash_file, record)
    return (
        {"bytes": len(record), "file": str(args.flash_file)},
        f"wrote {image.meta.network}: {len(record):,} bytes to {args.flash_file}",
    )


def _verified(args: Namespace) -> str:
    return "not read back" if args.no_verify else "read back and equal"
