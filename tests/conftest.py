"""What all tests share: a fixed Hypothesis profile, and no skips where none is allowed."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# The same examples in every run; `pytest --hypothesis-profile=explore` looks for new ones.
settings.register_profile(
    "fixed", deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("fixed")

NO_SKIP = os.environ.get("NHOT_NO_SKIP") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where NHOT_NO_SKIP=1 a test that skips itself has failed: its tool should be there."""
    report = yield
    if NO_SKIP and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which NHOT_NO_SKIP=1 forbids: {report.longrepr[2]}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """The same for a file that skips itself as a whole."""
    report = yield
    if NO_SKIP and report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"skipped, which NHOT_NO_SKIP=1 forbids: {report.longrepr[2]}"
    return report


@pytest.fixture(scope="session")
def halves_data():
    """Pictures (64, 1, 4, 4), bright on the left (0) or on the right (1), and their labels."""
    random = np.random.default_rng(5)
    y = random.integers(0, 2, 64)
    x = random.uniform(0, 0.4, (64, 1, 4, 4))
    for picture, label in zip(x, y, strict=True):
        picture[0, :, 2 * label : 2 * label + 2] += 0.6
    return x, y


@pytest.fixture
def halves(halves_data):
    """A copy of these that a test may change."""
    x, y = halves_data
    return x.copy(), y.copy()
