"""The file of a report: read, and added to."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from nhot.files import check_files, write_atomically
from nhot.filetype import expect
from nhot.report.entries import merge
from nhot.report.schema import VERSION, Entry, Report
from nhot.schema import read_json

__all__ = ["add_to_report", "check_report", "read_report", "write_report"]

PathLike = str | os.PathLike[str]


def read_report(path: PathLike) -> Report:
    """The report in a file; one of another version, or what is no report, is refused by name."""
    expect(path, "report")
    return read_json(Report, path, "Report", version=VERSION)


def write_report(path: PathLike, entries: Sequence[Entry]) -> None:
    """Write a report of ``entries``, whole or not at all."""
    text = json.dumps(asdict(Report(entries=tuple(entries))), indent=1) + "\n"
    write_atomically(path, text.encode())


def check_report(path: PathLike | None) -> None:
    """Refuse, before long work, a file that :func:`add_to_report` could not add to."""
    check_files(path)
    if path is not None and Path(path).exists():
        read_report(path)


def add_to_report(path: PathLike, new: Entry) -> None:
    """Add what ``new`` knows to the report in a file, by the rules of :func:`merge`.

    A file that is not there begins with it.
    """
    entries = read_report(path).entries if Path(path).exists() else ()
    write_report(path, merge(entries, new))
