"""Plant faults one at a time and see whether the tests notice."""

from __future__ import annotations

import compileall
import json
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

from nhot.errors import NhotError
from nhot.progress import Progress
from nhot_tools.mutants.mutant import Mutant
from nhot_tools.mutants.selection import Named, Selection
from nhot_tools.tree import PACKAGES, ROOT, Tree

__all__ = ["KILLED", "Outcome", "Results", "run"]

KILLED = ("killed", "timeout")
_FIRST_TESTS, _FIRST_SECONDS = 100, 8.0
_WHAT = {"passed": "lived", "empty": "lived", "broken": "killed"}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one fault fared.

    ``what`` is ``killed``, ``timeout``, ``lived`` or ``unseen`` (no test runs the line); ``by`` the
    test that noticed; ``tree`` the hash of the tree it was planted in.
    """

    key: str
    tree: str
    what: str
    by: str
    seconds: float


class Results:
    """Outcomes, a line each, appended to a file as they come: a campaign broken off goes on."""

    def __init__(self, path: Path):
        self.path = path
        self.outcomes: list[Outcome] = []
        if path.exists():
            lines = path.read_text(encoding="utf-8").splitlines()
            self.outcomes = [Outcome(**json.loads(line)) for line in lines]
        self._lock = threading.Lock()

    def of(self, tree: str) -> dict[str, Outcome]:
        """Outcomes in one tree by the fault's key."""
        return {outcome.key: outcome for outcome in self.outcomes if outcome.tree == tree}

    def alive(self) -> set[str]:
        """Faults that the last run in which they were planted left alive."""
        last = {outcome.key: outcome for outcome in self.outcomes}
        return {key for key, outcome in last.items() if outcome.what not in KILLED}

    def add(self, outcome: Outcome) -> None:
        """Keep one more."""
        with self._lock, self.path.open("a") as file:
            file.write(json.dumps(asdict(outcome)) + "\n")
            self.outcomes.append(outcome)


class _Worker:
    """A copy of the tree and a server in it."""

    def __init__(self, folder: Path, names: list[str]):
        self.tree = Tree(folder, names)
        for package in PACKAGES:
            # A cached module is valid for what its source says, whenever that was written.
            compileall.compile_dir(
                self.tree.root / package, quiet=2,
                invalidation_mode=PycInvalidationMode.CHECKED_HASH,
            )
        self._server = subprocess.Popen(
            [sys.executable, "-m", "nhot_tools.mutants.fork_server"], cwd=self.tree.root,
            env=self.tree.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )

    def close(self) -> None:
        self._server.communicate()

    def check(self, tests: dict[str, float]) -> None:
        """Refuse to go on where tests fail without a fault: every one would seem noticed."""
        answer = self._ask({"tests": tests})
        if answer["outcome"] != "passed":
            raise NhotError(f"Tests must pass without a fault, not end with: {answer['by']}")

    def try_out(self, mutant: Mutant, batches: list[dict[str, float]]) -> dict[str, str]:
        """Plant, and run the batches until one notices.

        That a test failed is the fault's doing. Any other end is so only where the same tests pass
        without it: :class:`NhotError` if they do not, as then the environment is broken.
        """
        answer = {"outcome": "passed", "by": ""}
        for batch in batches:
            answer = self._ask_of(mutant, batch)
            if answer["outcome"] not in ("passed", "killed"):
                self.check(batch)
            if answer["outcome"] not in ("passed", "empty"):
                break
        return answer

    def _ask_of(self, mutant: Mutant, batch: dict[str, float]) -> dict[str, str]:
        """Plant, run one batch, and put the file right again."""
        data = (ROOT / mutant.path).read_bytes()
        target = self.tree.root / mutant.path
        target.write_bytes(mutant.plant(data))
        try:
            return self._ask({"tests": batch})
        finally:
            target.write_bytes(data)
            self.tree.clean_home()

    def _ask(self, job: dict[str, Any]) -> dict[str, str]:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(job) + "\n")
        self._server.stdin.flush()
        answer: dict[str, str] = json.loads(self._server.stdout.readline())
        return answer


def run(
    mutants: list[Mutant], *, folder: Path, names: list[str], tree: str,
    selection: Selection | Named, results: Results, jobs: int, patience: float,
) -> None:
    """Try all ``mutants`` that ``results`` do not have for this ``tree``."""
    known = results.of(tree)
    todo = deque(mutant for mutant in mutants if mutant.key not in known)
    lived = sum(known[mutant.key].what not in KILLED for mutant in mutants if mutant.key in known)
    progress = Progress("planting faults", len(todo))
    lock = threading.Lock()

    def work(number: int) -> None:
        nonlocal lived
        with _worker(folder / f"worker{number}", names) as worker:
            worker.check(selection.sample())
            while True:
                try:
                    mutant = todo.popleft()
                except IndexError:
                    return
                outcome = _outcome(worker, mutant, selection, tree, patience)
                with lock:
                    results.add(outcome)
                    lived += outcome.what not in KILLED
                    progress.unit = f"faults, {lived} lived"
                    progress.step()

    def work_or_stop(number: int) -> None:
        try:
            work(number)
        finally:
            todo.clear()  # nothing is left, or nothing can be said: the other ones end, too

    with progress, ThreadPoolExecutor(jobs) as pool:
        list(pool.map(work_or_stop, range(jobs)))


@contextmanager
def _worker(folder: Path, names: list[str]) -> Iterator[_Worker]:
    worker = _Worker(folder, names)
    try:
        yield worker
    finally:
        worker.close()


def _outcome(
    worker: _Worker, mutant: Mutant, selection: Selection | Named, tree: str, patience: float
) -> Outcome:
    tests = selection.pick(mutant, patience)
    start = time.monotonic()
    what, by = "unseen", ""
    if tests:
        answer = worker.try_out(mutant, _batches(tests, selection.seconds))
        what, by = _WHAT.get(answer["outcome"], answer["outcome"]), answer["by"]
    return Outcome(
        key=mutant.key, tree=tree, what=what, by=by, seconds=round(time.monotonic() - start, 2)
    )


def _batches(tests: list[str], seconds: dict[str, float]) -> list[dict[str, float]]:
    """A few quick tests, which notice nearly all, before all others are even collected."""
    spent, count = 0.0, 0
    for test in tests[:_FIRST_TESTS]:
        spent += seconds[test]
        count += 1
        if spent > _FIRST_SECONDS:
            break
    parts = [tests[:count], tests[count:]]
    return [{test: seconds[test] for test in part} for part in parts if part]
