"""What can be found out about a machine."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Check", "Finding", "Problem"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked for. ``version`` is empty if it is missing."""

    name: str
    version: str
    purpose: str
    remedy: str
    needed: bool = True


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is in the way, and what to do. One that is not ``serious`` only costs time."""

    what: str
    cure: str
    serious: bool = True


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked at, in words, and what is wrong with it.

    The entry points ``nhot.checks`` are functions that give one.
    """

    name: str
    state: str
    problems: tuple[Problem, ...] = ()
