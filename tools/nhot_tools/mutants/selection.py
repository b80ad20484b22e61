"""Which tests could notice a fault, and in which order they are tried."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

from nhot.errors import NhotError
from nhot_tools.mutants.mutant import Mutant
from nhot_tools.suite import Measured
from nhot_tools.tree import Tree

__all__ = ["Named", "Selection"]

_SAMPLE = 50
_PHASE = re.compile(r" \((setup|call|teardown)\)$")


class Named:
    """The tests of the ``paths`` that a user names, all of them for each fault, in their order."""

    def __init__(self, tree: Tree, paths: list[str]):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider",
             "-m", "not slow", *paths],
            cwd=tree.root, env=tree.environment, capture_output=True, text=True, check=False,
        )
        if done.returncode:
            raise NhotError(f"Tests must be collected, not {done.stdout[-500:]}")
        tests = [line for line in done.stdout.splitlines() if "::" in line]
        self.seconds = dict.fromkeys(tests, 1.0)
        self.failed: frozenset[str] = frozenset()

    def pick(self, mutant: Mutant, patience: float) -> list[str]:
        """All of them."""
        return list(self.seconds)

    def sample(self) -> dict[str, float]:
        """All of them."""
        return self.seconds


class Selection:
    """The tests of the suite by the lines that they run."""

    def __init__(self, measured: Measured):
        self.seconds, self.failed = measured.seconds, measured.failed
        self._of_file: dict[str, list[str]] = defaultdict(list)
        for test in self.seconds.keys() - self.failed:
            self._of_file[test.partition("::")[0]].append(test)
        self._lines = lru_cache(maxsize=None)(measured.data.contexts_by_lineno)

    def pick(self, mutant: Mutant, patience: float) -> list[str]:
        """Two orders in turn, each with half of the time: tests that run the fault's line before
        others that run anything of its file; and tests in files of its name before all others. As
        many as fit in ``patience`` seconds, which a fault that lives costs. A line that only runs
        as its module is imported, before the first test, is for tests in files of its name, and so
        is a module that does nothing afterwards.
        """
        lines = self._lines(mutant.path)
        everywhere = self._tests(context for contexts in lines.values() for context in contexts)
        contexts = [context for line in mutant.lines for context in lines.get(line, ())]
        here = self._tests(contexts)
        names = {part.removesuffix(".py") for part in mutant.path.split("/")[2:]}
        if mutant.lines and not contexts:
            return []
        if not here and (mutant.lines or not everywhere):
            own = {Path(mutant.path).stem}
            here = self._order({test for test in self.seconds if _named(test, own)} - self.failed)
        by_line = list(dict.fromkeys([*here, *everywhere]))
        by_name = sorted(by_line, key=lambda test: -_named(test, names))
        ends = [
            dict(zip(order, accumulate(self.seconds[test] for test in order), strict=True))
            for order in (by_line, by_name)
        ]
        chosen, spent = [], 0.0
        for test in sorted(by_line, key=lambda test: min(end[test] for end in ends)):
            if spent + self.seconds[test] <= patience or not chosen:
                spent += self.seconds[test]
                chosen.append(test)
        return chosen

    def sample(self) -> dict[str, float]:
        """Some quick ones, each of another function."""
        quick = self._order(self.seconds.keys() - self.failed)[:_SAMPLE]
        return {test: self.seconds[test] for test in quick}

    def _tests(self, contexts: Iterable[str]) -> list[str]:
        tests: set[str] = set()
        for context in set(contexts):
            for name in context.split("|"):
                test = _PHASE.sub("", name)
                tests.update([test] if test in self.seconds else self._of_file.get(test, ()))
        return self._order(tests - self.failed)

    def _order(self, tests: set[str]) -> list[str]:
        """Quick ones before slow ones. As parametrised tests are much alike, the n-th of a function
        counts as if it took n times as long."""
        alike: dict[str, list[str]] = defaultdict(list)
        for test in sorted(tests, key=lambda test: (self.seconds[test], test)):
            alike[test.partition("[")[0]].append(test)
        ranked = [
            (self.seconds[test] * rank, test)
            for group in alike.values() for rank, test in enumerate(group, 1)
        ]
        return [test for _, test in sorted(ranked)]


def _named(test: str, names: set[str]) -> int:
    """How many of ``names``, folders and module of a source, the test's file has in its own."""
    return len(names & set(Path(test.partition("::")[0]).stem.split("_")))
