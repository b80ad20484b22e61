"""A report of one network on one board: plain data in, one self-contained HTML page out."""

from nhot.report.page import render
from nhot.report.schema import VERSION, check

__all__ = ["VERSION", "check", "render"]
