"""Who does the jobs: processes of this machine, or the workers of a cluster."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, Self

from nhot.explore.job import Job, Outcome
from nhot.explore.store import Store
from nhot.progress import Progress

__all__ = ["Executor", "open_executor", "run_all"]

_log = logging.getLogger("nhot")


class Executor(AbstractContextManager["Executor"], Protocol):
    """Something that does jobs, several at a time; its workers see the store's folder."""

    def __enter__(self) -> Self:
        """Have the workers."""

    def each(self, store: Store, jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
        """Do all jobs; each with its outcome as soon as it is done, in any order."""


def open_executor(scheduler: str | None = None, workers: int | None = None) -> Executor:
    """Local processes, one a processor unless ``workers`` says how many, or a Dask cluster.

    Parameters
    ----------
    scheduler : str, optional
        Address of the cluster's scheduler, ``tcp://host:port``.
    """
    if scheduler is None:
        from nhot.explore.local import Processes

        return Processes(workers)
    from nhot.explore.cluster import Cluster

    return Cluster(scheduler)


def run_all(
    jobs: Sequence[Job], store: Store, executor: Executor, what: str
) -> dict[str, Outcome]:
    """The outcome of each job by its digest; what the store has is not done again.

    Parameters
    ----------
    what : str
        What progress calls them.
    """
    wanted = {job.digest: job for job in jobs}
    found = {digest: store.outcome(job) for digest, job in wanted.items()}
    missing = [wanted[digest] for digest, outcome in found.items() if outcome is None]
    if 0 < len(missing) < len(wanted):
        _log.info("%s: %d of %d are done already", what, len(wanted) - len(missing), len(wanted))
    if missing:
        with Progress(what, len(missing)) as progress:
            for job, outcome in executor.each(store, missing):
                found[job.digest] = outcome
                progress.step()
    return {digest: outcome for digest, outcome in found.items() if outcome is not None}
