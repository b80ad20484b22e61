"""Run many cases of a kind in processes of their own, and collect what is a fault."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nhot.files import write_atomically
from nhot.progress import Progress
from nhot_sim.fuzz.kind import case_random, load_kind

__all__ = ["Fault", "Summary", "fuzz", "keep", "replay"]

_BATCH = 500


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A case that was neither refused by name nor right."""

    index: int
    text: str


@dataclass(kw_only=True)
class Summary:
    """What a campaign found.

    Attributes
    ----------
    cases, accepted : int
        Cases checked, and how many of them were not refused.
    faults : list of Fault
    """

    cases: int = 0
    accepted: int = 0
    faults: list[Fault] = field(default_factory=list)

    def add(self, index: int, answer: dict[str, Any]) -> None:
        """Count one more case."""
        self.cases += 1
        self.accepted += bool(answer.get("accepted"))
        if "fault" in answer:
            self.faults.append(Fault(index=index, text=answer["fault"]))


def fuzz(name: str, *, count: int, seed: int, jobs: int = 1) -> Summary:
    """Check as many cases of the kind ``name`` as hold ``count`` of what it counts.

    Case i depends on ``seed`` and i alone, so that any of them can be made again.
    """
    kind = load_kind(name)
    cases = -(-count // kind.size)
    summary = Summary()
    batch = max(1, min(_BATCH, -(-cases // jobs)))
    starts = range(0, cases, batch)

    def run(start: int) -> None:
        for index, answer in _batch(name, seed, start, min(start + batch, cases)):
            summary.add(index, answer)
            progress.step()

    with (
        Progress(f"fuzzing {name}", cases, unit="cases") as progress,
        ThreadPoolExecutor(jobs) as pool,
    ):
        list(pool.map(run, starts))
    summary.faults.sort(key=lambda fault: fault.index)
    return summary


def replay(name: str, files: Sequence[Path]) -> Summary:
    """Check the cases in ``files``; a fault's index is that of its file."""
    summary = Summary()
    done = 0
    while done < len(files):
        first = done
        arguments = ["--replay", *map(str, files[first:])]
        for index, answer in _answers(name, arguments):
            summary.add(first + index, answer)
            done = first + index + 1
    return summary


def keep(name: str, seed: int, fault: Fault, corpus: Path) -> Path:
    """Write the bytes of a fault into ``corpus``, under their hash; the path."""
    data = load_kind(name).case(case_random(name, seed, fault.index))
    path = corpus / name / hashlib.sha256(data).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    return path


def _batch(name: str, seed: int, start: int, stop: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """All cases of a range; a process that ends early is started again behind its last case."""
    while start < stop:
        for index, answer in _answers(name, [str(seed), str(start), str(stop)]):
            yield index, answer
            start = index + 1


def _answers(name: str, arguments: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """What one process says of its cases, up to the one that ends it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "nhot_sim.fuzz.worker", name, *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    assert process.stdout is not None
    at: int | None = None
    for line in process.stdout:
        answer = json.loads(line)
        if "at" in answer:
            at = answer["at"]
        elif at is not None:
            yield at, answer
            at = None
    _, error = process.communicate()
    if at is not None:
        yield at, {"fault": _death(process.returncode)}
    elif process.returncode:
        raise RuntimeError(f"Worker of {name} ended with {process.returncode}: {error[-2000:]}")


def _death(code: int) -> str:
    if code == -signal.SIGPROF:
        return "took more than its processor time"
    return f"ended the process with code {code}"
