"""``make pictures``: draw the timing pictures of ``docs/engine`` anew."""

from __future__ import annotations

import sys
from argparse import ArgumentParser

from nhot.cli.failures import guarded
from nhot.errors import NhotError
from nhot.printable import say
from nhot.progress import configure_logging
from nhot_tools.pictures.titles import PICTURES, picture
from nhot_tools.tree import ROOT

FOLDER = ROOT / "docs/engine"


def main(argv: list[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    with guarded(sys.argv[1:] if argv is None else argv) as outcome:
        parser = ArgumentParser(prog="make pictures ARGS=", description=__doc__)
        parser.add_argument("names", nargs="*", metavar="NAME",
                            help="of a picture (default: all)")
        names = parser.parse_args(argv).names or list(PICTURES)
        configure_logging(0)
        for name in names:
            if name not in PICTURES:
                raise NhotError(f"Picture must be one of {', '.join(PICTURES)}, not {name!r}")
        for name in names:
            (FOLDER / f"{name}.svg").write_text(picture(name), encoding="utf-8")
            say(f"docs/engine/{name}.svg")
    return outcome.code


if __name__ == "__main__":
    sys.exit(main())
