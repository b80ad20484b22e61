"""Place and route one netlist from several seeds, some of them at the same time."""

import logging
import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Future,
    ThreadPoolExecutor,
    wait,
)
from pathlib import Path
from statistics import fmean
from threading import Event

from nhot.errors import BuildError, NhotError
from nhot.progress import Progress
from nhot_hw.build.entries import place, placed, synthesise
from nhot_hw.build.plan import BuildPlan
from nhot_hw.build.routing import diverging
from nhot_hw.build.tools import MisfitError

__all__ = ["place_seeds"]

_log = logging.getLogger("nhot.build")

_LOOK = 0.5  # seconds between two looks at what is under way
_ROUTING = b"\nInfo: Routing"  # nextpnr's first word of it, of all families
_UNTIL_ROUTING = 0.5  # part of the time that placing takes, roughly


def place_seeds(
    plan: BuildPlan, seeds: Sequence[int], *, jobs: int | None = None
) -> dict[int, Path | None]:
    """The cache entry of ``plan`` by seed, None where place and route failed.

    The netlist is made once, and what the cache has is not made again: a sweep that was ended goes
    on with the seeds that are missing. Whatever ends it ends the tools, too.

    Parameters
    ----------
    jobs : int, optional
        Seeds at a time: one a processor unless given.

    Raises
    ------
    BuildError
        All seeds failed, or one showed that the design is too large.
    """
    if jobs is None:
        jobs = os.cpu_count() or 1
    for what, value in (("Seeds", len(seeds)), ("Jobs", jobs)):
        if value < 1:
            raise NhotError(f"{what} must be at least 1, not {value}")
    plans = {seed: plan.with_seed(seed) for seed in seeds}
    missing = [one for one in plans.values() if not placed(one).exists()]
    if 0 < len(missing) < len(seeds):
        _log.info("%d of %d seeds are in the cache", len(seeds) - len(missing), len(seeds))
    failed = _place_all(missing, synthesise(plan), min(jobs, len(missing))) if missing else {}
    if len(failed) == len(seeds):
        raise next(iter(failed.values()))
    return {seed: None if seed in failed else placed(one) for seed, one in plans.items()}


def _place_all(plans: Sequence[BuildPlan], synthesis: Path, jobs: int) -> dict[int, BuildError]:
    """Make the entries of ``plans``; the seeds that failed, and why."""
    stop = Event()
    failed = {}
    runs = [_Run(one, stop) for one in plans]
    what = f"Place and route for {plans[0].target.board}"
    with ThreadPoolExecutor(jobs) as pool, Progress(what, len(runs)) as progress:
        tasks: dict[Future[None], _Run] = {
            pool.submit(run.make, synthesis): run for run in runs
        }
        try:
            pending = set(tasks)
            while pending:
                done, pending = wait(pending, timeout=_LOOK, return_when=FIRST_COMPLETED)
                for task in done:
                    seed = tasks[task].plan.seed
                    try:
                        task.result()
                    except MisfitError:  # of any seed
                        raise
                    except BuildError as error:
                        failed[seed] = error
                        if len(runs) > 1:
                            _log.warning("seed %d is left out: %s", seed, error)
                _show(progress, runs)
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            _settle([task for task in tasks if not task.cancelled()])  # those never end
    return failed


def _settle(tasks: Sequence[Future[None]]) -> None:
    """Wait until nothing runs, some seconds at most, however often that is interrupted."""
    while True:
        try:
            wait(tasks)
        except KeyboardInterrupt:
            continue
        return


class _Run:
    """The placing and routing of one plan: its state, as far as its log shows it.

    Attributes
    ----------
    routing : float or None
        Seconds from the start after which it was seen to route.
    took : float or None
        Seconds, once it has ended.
    """

    def __init__(self, plan: BuildPlan, stop: Event):
        self.plan = plan
        self.routing: float | None = None
        self.took: float | None = None
        self._stop = stop
        self._start: float | None = None

    def make(self, synthesis: Path) -> None:
        """Make the entry, until it is there or ``stop`` is set."""
        self._start = time.monotonic()
        try:
            place(self.plan, synthesis, self._watch)
        finally:
            self.took = self.elapsed

    @property
    def elapsed(self) -> float:
        """Seconds since it began; 0 where it has not."""
        return 0.0 if self._start is None else time.monotonic() - self._start

    @property
    def is_under_way(self) -> bool:
        """Whether it has begun and not ended."""
        return self._start is not None and self.took is None

    def _watch(self, log: Path) -> None:
        if self._stop.is_set():
            raise CancelledError
        text = log.read_bytes()
        if self.routing is None and _ROUTING in text:
            self.routing = self.elapsed
        if (reason := diverging(text)) is not None:
            raise BuildError(
                f"Place and route from seed {self.plan.seed} failed: {reason} (log: {log})"
            )


def _show(progress: Progress, runs: Sequence[_Run]) -> None:
    """What is done, what is under way, and how far that is."""
    stages: dict[str, list[str]] = {}
    ahead = 0.0
    whole = _whole(runs)
    for run in filter(lambda run: run.is_under_way, runs):
        stage = "placing" if run.routing is None else "routing"
        stages.setdefault(stage, []).append(str(run.plan.seed))
        ahead += min(run.elapsed / whole, 0.99) if whole else 0.0
    under_way = [f"{stage} {' '.join(seeds)}" for stage, seeds in stages.items()]
    progress.unit = ", ".join(["seeds", *under_way])
    progress.to(sum(run.took is not None for run in runs), ahead)


def _whole(runs: Iterable[_Run]) -> float | None:
    """Seconds that one takes: as those that have ended, else from when others began to route."""
    took = [run.took for run in runs if run.took is not None]
    routing = [run.routing / _UNTIL_ROUTING for run in runs if run.routing is not None]
    return fmean(took or routing) if took or routing else None
