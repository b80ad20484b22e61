"""Reports: what commands found out about a network on an engine, as data and as an HTML page."""

from nhot.report.entries import merge
from nhot.report.file import add_to_report, check_report, read_report, write_report
from nhot.report.page import render
from nhot.report.schema import VERSION, Entry, Report

__all__ = [
    "VERSION", "Entry", "Report", "add_to_report", "check_report", "merge", "read_report", "render",
    "write_report",
]
