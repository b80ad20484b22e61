"""A pytest plugin: which test ran which line, and how long it took.

Loaded with ``-p nhot_tools.recorder`` while coverage.py measures. What runs while a file of tests
is collected counts for the file, what a process started by a test runs for that test (by
``PYTEST_CURRENT_TEST``, see :mod:`nhot_tools.suite`).
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import coverage
import pytest

RECORDS = "NHOT_RECORDS"
"""The environment variable that names the folder for the records."""


def _switch(context: str) -> None:
    measuring = coverage.Coverage.current()
    if measuring is not None:
        measuring.switch_context(context)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):  # type: ignore[no-untyped-def]
    """Lines run on import belong to the file of tests."""
    if isinstance(collector, pytest.Module):
        _switch(collector.nodeid)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):  # type: ignore[no-untyped-def]
    """Lines run from here on belong to the test."""
    _switch(item.nodeid)
    start = time.perf_counter()
    result = yield
    _record(item.nodeid, seconds=time.perf_counter() - start)
    return result


def pytest_runtest_logreport(report):  # type: ignore[no-untyped-def]
    """Note what fails without any fault planted."""
    if report.failed:
        _record(report.nodeid, failed=True)


def _record(test: str, **facts: float) -> None:
    folder = os.environ.get(RECORDS)
    if folder:
        with Path(folder, f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"test": test, **facts}) + "\n")
