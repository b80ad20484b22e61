"""What is to be proved, and what came of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from nhot.errors import MismatchError, NhotError

__all__ = ["Outcome", "Proof", "Verdict", "require"]


@dataclass(frozen=True, kw_only=True)
class Proof:
    """A claim about a component, as a specification that has it inside.

    Every input of the specification is free in each cycle. It holds assumptions, assertions and
    covers; the covers show that the assumptions can be met.

    Parameters
    ----------
    name : str
    claim : str
        What is proved, in a line.
    create : callable
        Makes the specification.
    depth : int
        Cycles that the induction looks back, or, if ``bounded``, all cycles that are looked at.
    bounded : bool
        From the reset on for ``depth`` cycles only; otherwise for all times, by induction.
    reach : int
        Cycles within which the covers are reached, if not in ``depth``. Where the induction fails,
        as many are searched for a run that breaks the claim.
    platform : object
        What the component is elaborated for.
    arrays : bool
        Leave memories whole, for large ones; small ones are faster as registers.
    slow : bool
        Takes minutes rather than seconds.
    """

    name: str
    claim: str
    create: Callable[[], wiring.Component]
    depth: int
    bounded: bool = False
    reach: int | None = None
    platform: object = None
    arrays: bool = False
    slow: bool = False

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise NhotError(f"Depth of a proof must be at least 1, not {self.depth}")

    @property
    def how(self) -> str:
        """By which argument."""
        if self.bounded:
            return f"first {self.depth} cycles"
        return f"all times, induction over {self.depth} cycles"


def require(verdicts: Sequence["Verdict"]) -> None:
    """Raise :class:`MismatchError` with all that is not proved, if anything is not."""
    bad = [verdict for verdict in verdicts if verdict.outcome is not Outcome.PROVED]
    if bad:
        raise MismatchError("; ".join(map(str, bad)))


class Outcome(Enum):
    """How a proof ended."""

    PROVED = "proved"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of a proof.

    Parameters
    ----------
    proof : Proof
    outcome : Outcome
    seconds : float
        For information only.
    reason : str
        Where it failed, or why there is no answer.
    trace : Path or None
        A waveform that leads to the failure, or that the induction could not rule out.
    """

    proof: Proof
    outcome: Outcome
    seconds: float
    reason: str = ""
    trace: Path | None = None

    def __str__(self) -> str:
        trace = "" if self.trace is None else f" (waveform: {self.trace})"
        return f"Proof {self.proof.name} {self.outcome.value}: {self.reason}{trace}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "name": self.proof.name, "claim": self.proof.claim, "how": self.proof.how,
            "outcome": self.outcome.value, "seconds": round(self.seconds, 1),
            "reason": self.reason, "trace": None if self.trace is None else str(self.trace),
        }
