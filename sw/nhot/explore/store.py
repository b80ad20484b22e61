"""Results of jobs in a folder, each in one that is named by all that its job depends on."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from nhot.errors import NhotError
from nhot.explore.job import Job, Outcome
from nhot.files import check_folder, write_atomically
from nhot.schema import read_json

__all__ = ["Function", "Store"]

Function = Callable[[dict[str, Any], dict[str, str], Path], dict[str, Any]]
"""What does a job, from its parameters, the places of its inputs, and a folder for files beside
its result.

A NhotError of exit code 2 is that the job cannot be done, and is kept as its outcome.
"""

_MARKER = "sweep.json"


@dataclass(frozen=True)
class _Marker:
    version: int


class Store:
    """The folder of a sweep; any number of processes, on any machines, may work with it.

    A job's folder appears with all that is in it, by renaming, so that what is killed leaves no
    half of one. Who does a job holds its lock, which the system takes back when a process ends,
    however it does; others who want the same wait, and find it done.

    Parameters
    ----------
    folder : path
        That :meth:`create` has made.

    Raises
    ------
    NhotError
        It is no sweep's: of a worker, that it does not see the files of the others.
    """

    VERSION = 1

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = Path(folder).absolute()
        read_json(_Marker, self.folder / _MARKER, "Sweep", version=self.VERSION)

    @classmethod
    def create(cls, folder: str | os.PathLike[str]) -> Self:
        """The store in ``folder``, which is made if it is missing.

        Raises :class:`NhotError` if it holds something else, or cannot be written to.
        """
        check_folder(folder)
        place = Path(folder)
        try:
            if not (place / _MARKER).exists():
                if place.exists() and any(map(_is_of_others, place.iterdir())):
                    raise NhotError(f"Folder {str(folder)!r} must be empty or that of a sweep, "
                                    f"with a file {_MARKER}, not one with other files")
                place.mkdir(parents=True, exist_ok=True)
                write_atomically(place / _MARKER, f'{{"version": {cls.VERSION}}}\n'.encode())
            for name in ("jobs", "locks"):
                (place / name).mkdir(exist_ok=True)
        except OSError as error:
            raise NhotError(
                f"Folder {str(folder)!r} could not be written: {error.strerror}") from None
        return cls(folder)

    def place(self, job: Job) -> Path:
        """The folder of a job's result, whether or not it is there."""
        return self.folder / "jobs" / job.digest

    def outcome(self, job: Job) -> Outcome | None:
        """What came of a job, None if it is not done."""
        place = self.place(job)
        return read_json(Outcome, place / "result.json", "Result") if place.exists() else None

    def make(self, job: Job, function: Function) -> Outcome:
        """Do a job unless it is done; what came of it."""
        with self._lock(job):
            known = self.outcome(job)
            return self._do(job, function) if known is None else known

    def _do(self, job: Job, function: Function) -> Outcome:
        place = self.place(job)
        work = place.with_suffix(".part")
        shutil.rmtree(work, ignore_errors=True)  # of one that was killed
        work.mkdir()
        inputs = {name: _seen(one.place) for name, one in job.inputs.items()}
        try:
            outcome = Outcome(result=function(job.parameters, inputs, work))
        except NhotError as error:
            if error.exit_code != NhotError.exit_code:
                raise
            outcome = Outcome(refused=str(error))
        write_atomically(work / "job.json", job.to_json().encode())
        write_atomically(work / "result.json", outcome.to_json().encode())
        work.rename(place)
        return outcome

    @contextmanager
    def _lock(self, job: Job) -> Iterator[None]:
        """Be the only one to do ``job``."""
        with (self.folder / "locks" / job.digest).open("wb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError as error:
                raise NhotError(f"Folder {str(self.folder)!r} must be in a file system with locks, "
                                f"but: {error.strerror}") from None
            yield


def _is_of_others(path: Path) -> bool:
    """Whether it is no file that another client, which makes the same store, is at."""
    return not path.name.startswith((".nhot-", _MARKER))


def _seen(place: str) -> str:
    """An input, which a worker on another machine may not have."""
    path = Path(place)
    if path.is_absolute() and not path.exists() and not Path(place.rpartition(":")[0]).is_file():
        raise NhotError(f"Input {place!r} must be a path that all workers see, and is none here")
    return place
