"""What a bench says of its progress, and that it is shown."""

import json
import time

import pytest

from nhot_sim.benches import progress
from nhot_sim.benches.progress import Reporter, watch


def said(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("total", "count", "every"), [
    (1000, 1, 10), (1000, 3, 12), (100, 1, 1), (99, 1, 1), (101, 1, 2), (1000, 20, 20),
])
def test_a_phase_is_written_a_hundred_times(tmp_path, total, count, every):
    path = tmp_path / "progress.json"
    reporter = Reporter(str(path))
    reporter.begin("loading", total, "bytes")
    state = {"what": "loading", "total": total, "unit": "bytes"}
    assert said(path) == {**state, "done": 0}
    for done in range(count, 5 * every + 1, count):
        reporter.step(count)
        assert said(path) == {**state, "done": done // every * every}
    reporter.begin("running", 7, "cycles")
    assert said(path) == {"what": "running", "total": 7, "unit": "cycles", "done": 0}
    reporter.step()
    assert said(path)["done"] == 1
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_written_without_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reporter = Reporter(None)
    reporter.begin("loading", 3, "bytes")
    reporter.step(2)
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_is_shown_phase_by_phase(tmp_path, monkeypatch):
    shown, path = [], tmp_path / "progress.json"

    class Shown:
        def __init__(self, what, total, unit):
            self.what, self.total = what, total
            shown.append((what, total, unit))

        def to(self, done):
            if shown[-1] != done:
                shown.append(done)

        def close(self):
            shown.append("closed")

    monkeypatch.setattr(progress, "Progress", Shown)
    monkeypatch.setattr(progress, "_PERIOD", 0.001)

    def until(last):
        for _ in range(100_000):
            if shown[-1:] == [last]:
                return
            time.sleep(0.001)
        raise AssertionError(f"{last} must be shown behind {shown}")

    with watch(path):
        reporter = Reporter(str(path))
        for what, total in (("loading", 4), ("loading", 5), ("running", 5)):
            reporter.begin(what, total, "bytes")
            until(0)
            reporter.step(3)
            until(3)
    assert shown == [
        ("loading", 4, "bytes"), 0, 3, "closed", ("loading", 5, "bytes"), 0, 3, "closed",
        ("running", 5, "bytes"), 0, 3, "closed",
    ]
