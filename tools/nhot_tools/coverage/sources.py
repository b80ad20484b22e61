"""Lines and branches of the Python sources that the suite runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coverage

from nhot.cli.output import print_table
from nhot_tools.suite import Measured
from nhot_tools.tree import PACKAGES, ROOT

__all__ = ["Part", "parts", "print_lines"]

# What no test runs on purpose: a type checker's part, and bodies that only say a signature.
_LEFT_OUT = [r"if TYPE_CHECKING:", r"@abstractmethod", r"^\s*\.\.\.$", r"class .*\(Protocol\):",
             r"assert_never\(", r"if __name__ == .__main__.:"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """A file, or a package, with what is missing of it."""

    name: str
    lines: int
    missing_lines: list[int]
    branches: int
    missing_branches: list[tuple[int, int]]


def parts(measured: Measured, folder: Path) -> list[Part]:
    """Every source file; branches as (from line, to line), where a line below 0 is the exit."""
    report = coverage.Coverage(data_file=measured.data.data_filename(), config_file=False,
                               branch=True)
    report.set_option("report:exclude_also", _LEFT_OUT)
    report.set_option("run:relative_files", True)
    report.load()
    target = folder / "lines.json"
    report.json_report(outfile=str(target), ignore_errors=True)
    files: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))["files"]
    return [
        Part(
            name=name, lines=one["summary"]["num_statements"], missing_lines=one["missing_lines"],
            branches=one["summary"]["num_branches"],
            missing_branches=[tuple(arc) for arc in one["missing_branches"]],
        )
        for name, one in sorted(files.items()) if (ROOT / name).exists()
    ]


def print_lines(found: list[Part]) -> None:
    """What is missing, file by file, then the shares of each package."""
    for part in found:
        if part.missing_lines or part.missing_branches:
            print(f"{part.name}: lines {_ranges(part.missing_lines) or 'none'}; branches "
                  f"{', '.join(f'{a} to {b}' for a, b in part.missing_branches) or 'none'}")
    rows = []
    for package in (*PACKAGES, ""):
        inside = [part for part in found if part.name.startswith(package)]
        rows.append((
            package or "all",
            _share(sum(part.lines for part in inside),
                   sum(len(part.missing_lines) for part in inside)),
            _share(sum(part.branches for part in inside),
                   sum(len(part.missing_branches) for part in inside)),
        ))
    print_table(("package", "lines", "branches"), rows, ("lines", "branches"))


def _share(total: int, missing: int) -> str:
    return f"{100 * (total - missing) / max(total, 1):.2f} % of {total:,}"


def _ranges(numbers: list[int]) -> str:
    """Numbers as ranges: 1-3, 7."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ", ".join(f"{a}-{b}" if a < b else f"{a}" for a, b in ranges)
