"""The process that checks cases: ``python -m nhot_sim.fuzz.worker KIND SEED START STOP``, or with
``KIND --replay FILE...``.

For each case it prints a line of JSON before, ``{"at": index}``, and one after: ``{"accepted":
bool}`` or ``{"fault": text}``. Where the process ends early, its last case did that: it took too
much memory or time, or crashed the interpreter.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path

from nhot_sim.fuzz.kind import Kind, case_random, load_kind

MEMORY = 2 << 30
"""Bytes of address space a case may need beside what the process starts with."""


def main(argv: list[str]) -> None:
    """Check what the command line names."""
    name, *rest = argv
    kind = load_kind(name)
    kind.prepare()
    if rest[0] == "--replay":
        _check_all(kind, enumerate(Path(file).read_bytes() for file in rest[1:]))
    else:
        seed, start, stop = map(int, rest)
        _check_all(kind, _cases(kind, name, seed, range(start, stop)))


def _cases(
    kind: Kind, name: str, seed: int, indices: Iterable[int]
) -> Iterator[tuple[int, bytes]]:
    for index in indices:
        yield index, kind.case(case_random(name, seed, index))


def _check_all(kind: Kind, cases: Iterable[tuple[int, bytes]]) -> None:
    out = os.fdopen(os.dup(1), "w", buffering=1)
    limited = False
    for index, data in cases:
        if not limited:  # after the samples were made and torch was loaded
            _limit_memory()
            limited = True
        out.write(json.dumps({"at": index}) + "\n")
        signal.setitimer(signal.ITIMER_PROF, kind.seconds)
        out.write(json.dumps(_check(kind, data)) + "\n")
        signal.setitimer(signal.ITIMER_PROF, 0)


def _check(kind: Kind, data: bytes) -> dict[str, object]:
    try:
        return {"accepted": kind.check(data)}
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        text = " ".join(str(error).split())[:300]
        return {"fault": f"{type(error).__name__} at {where}: {text}"}


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main(sys.argv[1:])
