"""Where output goes: data on standard output, for people or for programs, and files."""

from __future__ import annotations

import json
from argparse import Action, ArgumentParser, Namespace, _ArgumentGroup
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from nhot.files import check_files, check_folder
from nhot.printable import printable, say

__all__ = [
    "NewFolder", "OutputFile", "OutputFolder", "add_json_argument", "print_json", "print_table",
]


class OutputFile(Action):
    """The action of an argument that names a file to write; refused if it could not be written."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option: str | None = None,
    ) -> None:
        """Check what was typed, before any work is done, and keep it as a path."""
        check_files(values)
        setattr(namespace, self.dest, Path(values))


class OutputFolder(Action):
    """The action of an argument that names a folder to write to, which is made if it is missing."""

    new = False

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option: str | None = None,
    ) -> None:
        """Check what was typed, before any work is done, and keep it as a path."""
        check_folder(values, new=self.new)
        setattr(namespace, self.dest, Path(values))


class NewFolder(OutputFolder):
    """The action of an argument that names a folder to make; refused if it is there already."""

    new = True


def add_json_argument(parser: ArgumentParser | _ArgumentGroup) -> None:
    """Declare ``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def print_json(data: Any) -> None:
    """Print ``data`` as indented JSON, in visible characters of ASCII alone."""
    print(json.dumps(data, indent=2).replace("\x7f", "\\u007f"))


def print_table(
    heads: Sequence[str], rows: Sequence[Sequence[Any]], numeric: Collection[str] = (),
) -> None:
    """Print aligned columns; those named in ``numeric`` are aligned right."""
    cells = [[_text(cell) for cell in row] for row in rows]
    widths = [
        max(len(head), *(len(row[column]) for row in cells)) if cells else len(head)
        for column, head in enumerate(heads)
    ]
    for row in [list(heads), *cells]:
        line = "  ".join(
            cell.rjust(width) if head in numeric else cell.ljust(width)
            for cell, width, head in zip(row, widths, heads, strict=True)
        )
        say(line.rstrip())


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    return f"{cell:,}" if isinstance(cell, int) else printable(str(cell))
