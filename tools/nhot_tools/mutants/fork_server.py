"""A process that has imported what is slow to import, and forks for each batch of tests.

It runs in a copy of the tree. A job is a line of JSON on standard input, ``{"tests": {name:
seconds}}`` in the order in which to run; the answer is a line of JSON, ``{"outcome", "by"}``:
``passed``; ``killed`` or ``timeout``, and the test that did it; ``empty`` if none of the tests was
there; or ``broken`` if the run ended in another way without a test that failed, as where a module
cannot be imported: by the fault, or because something else is wrong.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
from contextlib import suppress
from typing import Any

import pytest

_PRELOADED = (
    "numpy", "hypothesis", "hypothesis.extra.numpy", "onnx", "onnxruntime", "amaranth",
    "amaranth.sim", "amaranth.back.verilog", "serial", "torch", "torch.fx", "sklearn.datasets",
)
_COLLECTION_SECONDS = 180
_MEMORY = 16 << 30
_TIMEOUT = 124
_OUTCOMES = {
    pytest.ExitCode.OK: "passed", pytest.ExitCode.NO_TESTS_COLLECTED: "empty", _TIMEOUT: "timeout",
}


class _Picker:
    """Runs the named tests in the given order, each within a generous limit."""

    def __init__(self, tests: dict[str, float], channel: int):
        self.tests = tests
        self.channel = channel
        self.current = ""
        signal.signal(signal.SIGALRM, self._late)
        signal.alarm(_COLLECTION_SECONDS)

    def _late(self, number: int, frame: Any) -> None:
        self._tell(self.current)
        os._exit(_TIMEOUT)

    def _tell(self, test: str) -> None:
        os.write(self.channel, test.encode()[:4000])

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        order = {test: place for place, test in enumerate(self.tests)}
        items[:] = sorted(
            (item for item in items if item.nodeid in order), key=lambda item: order[item.nodeid]
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item):  # type: ignore[no-untyped-def]
        self.current = item.nodeid
        signal.alarm(60 + int(20 * self.tests[item.nodeid]))
        result = yield
        signal.alarm(60)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._tell(report.nodeid)


def _child(tests: dict[str, float], channel: int) -> None:
    os.setsid()
    # Not of the address space: a browser reserves far more than it ever touches.
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
    code = pytest.main(
        ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist",
         "-W", "ignore::pytest.PytestAssertRewriteWarning", *files],  # as hypothesis is preloaded
        plugins=[_Picker(tests, channel)],
    )
    os._exit(int(code))


def _run(tests: dict[str, float]) -> dict[str, str]:
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(receive)
        try:
            _child(tests, send)
        finally:
            os._exit(3)
    os.close(send)
    _, status = os.waitpid(pid, 0)
    with suppress(ProcessLookupError):  # what its tests have left running
        os.killpg(pid, signal.SIGKILL)
    os.set_blocking(receive, False)
    try:
        by = os.read(receive, 4000).decode(errors="replace")
    except BlockingIOError:
        by = ""
    os.close(receive)
    code = os.waitstatus_to_exitcode(status)
    outcome = _OUTCOMES.get(code, "killed" if by else "broken")
    return {"outcome": outcome, "by": by or f"pytest ended with code {code}"}


def main() -> None:
    """Serve until standard input ends."""
    for name in _PRELOADED:
        with suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line)["tests"])), flush=True)


if __name__ == "__main__":
    main()
