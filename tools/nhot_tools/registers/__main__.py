"""``make registers``: what is made from the registers' SystemRDL, anew."""

from __future__ import annotations

import sys

from nhot.cli.failures import guarded
from nhot.printable import say
from nhot_tools.registers.outputs import generated
from nhot_tools.tree import ROOT


def main(argv: list[str] | None = None) -> int:
    """Write the files and return the exit code."""
    with guarded(sys.argv[1:] if argv is None else argv) as outcome:
        for path, text in generated().items():
            path.write_text(text, encoding="utf-8")
            say(path.relative_to(ROOT).as_posix())
    return outcome.code


if __name__ == "__main__":
    sys.exit(main())
