"""Jobs on the workers of a Dask cluster.

Dask runs what it is sent, on both sides: its networks and machines must be ones to trust.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from typing import Any, Self

from nhot.errors import NhotError
from nhot.explore.job import Job, Outcome
from nhot.explore.store import Store
from nhot.explore.work import do

__all__ = ["Cluster"]

_PATIENCE = 10
"""Seconds for a scheduler to answer."""

_log = logging.getLogger("nhot")


class Cluster:
    """The workers of a scheduler, which see the files of this machine under the same paths.

    Jobs are sent as text, to a function that workers import from the nhot that they have. A worker
    that dies loses its job to another one. What a client that was killed has begun is ended by
    its workers, and found by the next.

    Parameters
    ----------
    address : str
        ``tcp://host:port``.

    Raises
    ------
    NhotError
        There is no scheduler at that address.
    """

    def __init__(self, address: str):
        import distributed
        from dask import config
        from distributed.comm.addressing import get_address_host_port

        self._dask: Any = distributed  # it has no types

        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what it has to say is raised
        config.set({"distributed.comm.timeouts.connect": f"{_PATIENCE}s"})
        self.address = address
        try:
            get_address_host_port(address)  # the client would not see that it is none
            self._client = self._dask.Client(address, timeout=_PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise NhotError(f"Scheduler must be the address of a Dask scheduler, as "
                            f"tcp://host:8786, not {address!r}: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close(timeout=_PATIENCE)

    def each(self, store: Store, jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
        """Do all jobs; each with its outcome as soon as it is done."""
        if not self._client.nthreads():
            _log.warning("%s has no workers yet; waiting for them", self.address)
        folder = str(store.folder)
        futures = {
            # Clients with the same key have one result, which is in one folder.
            self._client.submit(do, folder, job.to_json(), key=f"nhot-{job.digest}-{folder}"): job
            for job in jobs
        }
        try:
            done = self._dask.as_completed(
                list(futures), loop=self._client.loop, raise_errors=False)
            for future in done:
                yield futures[future], self._outcome(future)
        finally:
            if self._client.status == "running":
                self._client.cancel(list(futures))

    def _outcome(self, future: Any) -> Outcome:
        if future.status == "finished":
            return Outcome(**json.loads(future.result()))
        if future.status != "error":
            raise NhotError(f"Scheduler {self.address} went away; what is done is kept, and the "
                            "same command goes on from there")
        error: Exception = future.exception()
        if isinstance(error, self._dask.KilledWorker):
            return Outcome(failed="several workers died of it")
        if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("nhot"):
            raise NhotError(f"Workers of {self.address} must have nhot installed, and have not")
        raise error
