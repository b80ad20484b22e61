"""A sweep of seeds while it runs and when it ends: what is under way, what is waited for."""

import io
from types import SimpleNamespace

import pytest

from nhot.progress import Progress
from nhot_hw.build import seeds


def test_the_tools_are_waited_for_whoever_is_impatient(monkeypatch):
    answers = iter([KeyboardInterrupt, KeyboardInterrupt, None])

    def wait(tasks):
        if (answer := next(answers)) is not None:
            raise answer

    monkeypatch.setattr(seeds, "wait", wait)
    seeds._settle([])
    assert next(answers, "all seen") == "all seen"


def run(seed, *, took=None, routing=None, elapsed=None):
    return SimpleNamespace(
        plan=SimpleNamespace(seed=seed), took=took, routing=routing, elapsed=elapsed,
        is_under_way=elapsed is not None,
    )


@pytest.mark.parametrize(("runs", "text"), [
    ([run(1, elapsed=100), run(2)], "0%, 0/2 seeds, placing 1, 1 min 40 s"),
    # Placing took as long as routing will.
    ([run(7, routing=60, elapsed=90)], "75%, 0/1 seeds, routing 7, 33 s left"),
    ([run(1, took=200), run(2, elapsed=100), run(3, routing=80, elapsed=100), run(4)],
     "50%, 1/4 seeds, placing 2, routing 3, 1 min 40 s left"),
    # One that takes longer than the others did is not done.
    ([run(1, took=50), run(2, elapsed=100)], "100%, 1/2 seeds, placing 2, 1 s left"),
])
def test_progress_says_what_is_under_way_and_what_is_left(runs, text):
    clock, stream = iter([0, 0, 100, 100]), io.StringIO()
    with Progress("Place", len(runs), stream=stream, clock=lambda: next(clock)) as progress:
        seeds._show(progress, runs)
        progress._last = progress._start  # without the line at its end
    assert stream.getvalue() == f"Place: {text}\n"
