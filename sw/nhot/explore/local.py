"""Jobs in processes of this machine."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, Self

from nhot.errors import NhotError
from nhot.explore.job import Job, Outcome
from nhot.explore.store import Store
from nhot.explore.work import do

__all__ = ["Processes"]

_TRIES = 3
"""Workers that a job may take with it until it is given up."""

_PATIENCE = 10
"""Seconds for a worker to end its tools when it is asked to."""

_log = logging.getLogger("nhot")


class Processes:
    """Worker processes, each with one job at a time.

    A worker that dies is replaced, and its job given to another. Workers end when this process
    does, however that is.

    Parameters
    ----------
    count : int, optional
        One a processor unless given.
    """

    def __init__(self, count: int | None = None):
        self.count = count or len(os.sched_getaffinity(0))
        self._idle: list[_Worker] = []
        self._busy: dict[Any, _Worker] = {}  # by connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        workers = [*self._idle, *self._busy.values()]
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.end()

    def each(self, store: Store, jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
        """Do all jobs; each with its outcome as soon as it is done."""
        waiting, deaths = deque(jobs), dict.fromkeys((job.digest for job in jobs), 0)
        while waiting or self._busy:
            while waiting and len(self._busy) < self.count:
                self._give(store, waiting.popleft())
            for connection in wait(list(self._busy)):
                worker = self._busy.pop(connection)
                job, answer = worker.job, worker.answer()
                if answer is None:
                    worker.end()
                    deaths[job.digest] += 1
                    if deaths[job.digest] < _TRIES:
                        _log.warning("a worker died (%s); its job is done again", worker.death)
                        waiting.append(job)
                        continue
                    answer = Outcome(failed=f"{_TRIES} workers died of it, the last one by "
                                            f"{worker.death}")
                else:
                    self._idle.append(worker)
                yield job, answer

    def _give(self, store: Store, job: Job) -> None:
        while self._idle:  # some may have been ended while there was nothing to do
            worker = self._idle.pop()
            if worker.give(store, job):
                break
            worker.end()
        else:
            worker = _Worker()
            worker.give(store, job)
        self._busy[worker.connection] = worker


class _Worker:
    """A process, and the job that it has."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _without_interrupts():
            self.process.start()
        theirs.close()  # so that its death ends the connection
        self.job: Job

    def give(self, store: Store, job: Job) -> bool:
        """Send it a job; whether it was there to take it."""
        self.job = job
        try:
            self.connection.send((str(store.folder), job.to_json()))
        except OSError:
            return False
        return True

    def answer(self) -> Outcome | None:
        """What came of its job; None if it has died. What went wrong there is raised here."""
        try:
            answer = self.connection.recv()
        except (EOFError, OSError):
            return None
        if isinstance(answer, Exception):
            raise answer
        return Outcome(**answer)

    @property
    def death(self) -> str:
        """How it ended."""
        code = self.process.exitcode
        return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"

    def end(self) -> None:
        """Wait for its end, and see to it."""
        self.process.join(_PATIENCE)
        self.process.kill()
        self.process.join()
        self.connection.close()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Hold interrupts back; processes that begin here do not get any.

    What is typed on a terminal reaches all of them. The one that it is for ends the others, which
    have nothing to say of it.
    """
    resource_tracker.ensure_running()  # whose start, until Python 3.13, lets interrupts in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection) -> None:
    """The life of a worker."""
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # there is a worker for each processor
        _be_quiet()
        threading.Thread(target=_end_with_parent, daemon=True).start()
        while True:
            connection.send(_answer(*connection.recv()))
    except (KeyboardInterrupt, EOFError, OSError):
        return


def _answer(folder: str, text: str) -> Any:
    import json

    try:
        return json.loads(do(folder, text))
    except Exception as error:
        if not isinstance(error, NhotError):
            error.add_note(traceback.format_exc())
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            return RuntimeError(traceback.format_exc())
        return error


def _be_quiet() -> None:
    """Show no progress: that of all workers is the first process's to show."""
    log = logging.getLogger("nhot")
    log.addHandler(logging.StreamHandler())
    log.setLevel(logging.WARNING)


def _end_with_parent() -> None:
    """Interrupt the job, whose tools are to end with it, when nobody wants its result."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    signal.raise_signal(signal.SIGTERM)
    threading.Event().wait(_PATIENCE)
    os._exit(1)
