"""What several parts of a report have."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime

from nhot.errors import NhotError
from nhot.printable import shortened

__all__ = ["Counts", "Made", "Score"]

_SIGNED = {"value", "loss", "sqnr", "own"}


class Counts:
    """Base of parts whose whole numbers are counts: none may be below zero."""

    def __post_init__(self) -> None:
        for one in fields(self):  # type: ignore[arg-type]  # every part is a dataclass
            value = getattr(self, one.name)
            if isinstance(value, int | float) and value < 0 and one.name not in _SIGNED:
                raise NhotError(f"{type(self).__name__} {one.name} must be 0 or more, not {value}")


@dataclass(frozen=True, kw_only=True)
class Made:
    """Which command made a part, when (ISO 8601, UTC), and with which versions of what."""

    command: str
    date: str
    versions: dict[str, str]

    def __post_init__(self) -> None:
        try:
            datetime.fromisoformat(self.date)
        except ValueError:
            raise NhotError(f"Date must be as 2030-12-31T23:59:59+00:00, "
                            f"not {shortened(self.date)}") from None

    @property
    def minute(self) -> str:
        """The date as people read it."""
        return f"{datetime.fromisoformat(self.date):%Y-%m-%d %H:%M %Z}".strip()


@dataclass(frozen=True, kw_only=True)
class Score(Counts):
    """The metric of a stage: accuracy as a part of 1, of so many samples where that is known."""

    stage: str
    value: float
    samples: int | None = None
