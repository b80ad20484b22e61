"""``nhot patch``: a network into a bitstream, without place and route."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from nhot.cli.output import NewFolder, add_json_argument, print_json
from nhot.printable import say
from nhot_hw.cli.target import ignore_unused

HELP = "put a network into a bitstream, so that it is there at power-up"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="memory image (.img)")
    parser.add_argument("bitstream", type=Path, metavar="DIR",
                        help="folder of a bitstream of nhot build --patchable, with its manifest")
    parser.add_argument("-o", "--output", action=NewFolder, required=True, metavar="DIR",
                        help="new folder for the bitstream and its manifest")
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Patch, and print where the bitstream is."""
    from nhot.compiler.image import Image
    from nhot_hw.build.patch import patch

    ignore_unused()
    patched = patch(Image.read(args.image), args.bitstream, args.output)
    if args.json:
        print_json({"bitstream": str(patched.bitstream), "manifest": str(patched.manifest_path),
                    **patched.manifest.to_dict()})
    else:
        say(patched.bitstream)
    return 0
