"""Answers of a network beside labels."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from nhot.errors import NhotError
from nhot.printable import shortened
from nhot.report.schema.parts import Counts

__all__ = ["Answers", "Wrong"]

_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, kw_only=True)
class Wrong(Counts):
    """One wrong answer; ``picture`` is a PNG in base64 if the input is a picture."""

    index: int
    label: int
    answer: int
    picture: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.picture is None:
            return
        try:
            sound = base64.b64decode(self.picture, validate=True).startswith(_PNG)
        except (binascii.Error, ValueError):
            sound = False
        if not sound:
            raise NhotError(f"Picture must be a PNG in base64, not {shortened(self.picture)}")


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Labels beside answers: (label, answer, how often), those that occur.

    ``names`` are those of the classes, in the order of labels; ``wrong`` has the first wrong ones.
    """

    classes: int
    pairs: tuple[tuple[int, int, int], ...]
    names: tuple[str, ...] = ()
    wrong: tuple[Wrong, ...] = ()

    def __post_init__(self) -> None:
        for label, answer, count in self.pairs:
            if not (0 <= label < self.classes and 0 <= answer < self.classes and count > 0):
                raise NhotError(f"Pair must be two of {self.classes} classes and a count above 0, "
                                f"not {(label, answer, count)}")
        if self.names and len(self.names) != self.classes:
            raise NhotError(f"Names must be one a class ({self.classes}), not {len(self.names)}")
        for one in self.wrong:
            if max(one.label, one.answer) >= self.classes:
                raise NhotError(f"Wrong answer must be one of {self.classes} classes, "
                                f"not {one.label} read as {one.answer}")

    @property
    def correct(self) -> int:
        """Answers that are the label."""
        return sum(count for label, answer, count in self.pairs if label == answer)

    @property
    def total(self) -> int:
        """All answers."""
        return sum(count for _, _, count in self.pairs)
