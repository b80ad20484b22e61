"""A piece of work that follows from what is written down of it, and what came of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from nhot import __version__
from nhot.errors import NhotError
from nhot.printable import shortened

__all__ = ["Input", "Job", "Outcome"]


@dataclass(frozen=True, kw_only=True)
class Input:
    """What a job reads.

    Parameters
    ----------
    place : str
        An absolute path, the same on all machines that work, maybe with ``:function`` behind it;
        or the name of something that comes with nhot.
    sha256 : str
        Of what is in it, which alone is part of a job's name.
    """

    place: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Job:
    """Equal jobs have equal results, wherever and whenever they are done.

    Parameters
    ----------
    kind : str
        Name of the function that does it (:func:`nhot.explore.work.function`).
    parameters : dict
        What it is told; plain values, as JSON has them.
    inputs : dict of Input
        What it reads, by the names that the function has for them.
    version : str
        Of nhot: another one's results are not these.
    """

    kind: str
    parameters: dict[str, Any]
    inputs: dict[str, Input] = field(default_factory=dict)
    version: str = __version__

    @property
    def digest(self) -> str:
        """SHA-256 of kind, parameters, content of inputs and version, in hexadecimal."""
        what = {**asdict(self), "inputs": {name: one.sha256 for name, one in self.inputs.items()}}
        return hashlib.sha256(_canonical(what).encode()).hexdigest()

    def to_json(self) -> str:
        """As it is sent to a worker, and kept beside its result."""
        return _canonical(asdict(self))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a job: one of the three.

    Parameters
    ----------
    result : dict, optional
        Plain values.
    refused : str
        Why it cannot be done, with these parameters, by anyone.
    failed : str
        Why it was not done this time; that is not kept, and tried again.
    """

    result: dict[str, Any] | None = None
    refused: str = ""
    failed: str = ""

    def __post_init__(self) -> None:
        if [self.result is not None, bool(self.refused), bool(self.failed)].count(True) != 1:
            raise NhotError("Outcome must be a result, a refusal or a failure, one of them, not "
                            f"{shortened(asdict(self))}")

    def to_json(self) -> str:
        """The text of a result file."""
        return _canonical(asdict(self))


def _canonical(what: Mapping[str, Any]) -> str:
    return json.dumps(what, sort_keys=True, separators=(",", ":"), allow_nan=False)
