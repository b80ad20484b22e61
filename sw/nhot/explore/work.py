"""What a worker does, in whichever process and on whichever machine it is."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from typing import Any, cast

from nhot import __version__
from nhot.errors import BuildError, NhotError
from nhot.explore.job import Input, Job, Outcome
from nhot.explore.store import Function, Store

__all__ = ["GROUP", "do", "function", "read_job"]

GROUP = "nhot.jobs"
"""Entry points of the functions that do jobs, by kind; gateware brings its own."""


def do(folder: str, text: str) -> str:
    """Do a job unless it is done: its outcome, as JSON.

    Parameters
    ----------
    folder : str
        Of the store.
    text : str
        The job, as JSON.
    """
    job = read_job(text)
    if job.version != __version__:
        raise NhotError(f"Workers must have the nhot that the sweep was started with, "
                        f"{job.version}, not {__version__}")
    try:
        return Store(folder).make(job, function(job.kind)).to_json()
    except BuildError as error:
        return Outcome(failed=str(error)).to_json()


def read_job(text: str) -> Job:
    """The job that :meth:`Job.to_json` wrote."""
    fields: dict[str, Any] = json.loads(text)
    inputs = {name: Input(**one) for name, one in fields.pop("inputs").items()}
    return Job(inputs=inputs, **fields)


def function(kind: str) -> Function:
    """What does jobs of a kind.

    Raises
    ------
    NhotError
        Nothing that is installed does.
    """
    found = entry_points(group=GROUP, name=kind)
    if not found:
        names = ", ".join(sorted(entry_points(group=GROUP).names))
        raise NhotError(f"Kind of a job must be one of {names}, not {kind!r}")
    return cast(Function, next(iter(found)).load())
