"""Tables inside a page of documentation, kept equal to their records."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nhot.errors import NhotError
from nhot.experiments.studies.aims import aims
from nhot.experiments.studies.record import Record
from nhot.experiments.studies.repetition import work
from nhot.experiments.studies.study import Study
from nhot.experiments.studies.table import table

__all__ = ["refresh"]

NOTHING = "No row has been trained yet.\n"


def refresh(page: str, study: Study, records: Sequence[Record]) -> str:
    """``page`` with the tables of ``study`` made anew.

    A table lies between the lines ``<!-- table NAME PART -->`` and ``<!-- end -->``; the parts
    ``aims`` and ``work`` are those of :mod:`nhot.experiments.studies.aims` and
    :mod:`nhot.experiments.studies.repetition`. Without records it is a line that says so. A page
    without one for the study is refused.
    """
    pattern = re.compile(
        rf"(<!-- table {re.escape(study.name)} (\S+) -->\n).*?(<!-- end -->)", re.DOTALL
    )
    if not pattern.search(page):
        raise NhotError(f"Page must have a line <!-- table {study.name} formats -->, and has none")

    def fill(match: re.Match[str]) -> str:
        part = match[2]
        if not records:
            made = NOTHING
        elif part == "aims":
            made = aims(study.name, records)
        elif part == "work":
            made = work(study, records)
        else:
            made = table(study, records, part)
        return f"{match[1]}\n{made}\n{match[3]}"

    return pattern.sub(fill, page)
