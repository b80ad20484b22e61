"""What can be fuzzed: the interface of a kind, and what is a fault."""

from __future__ import annotations

import contextlib
import importlib
import io
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from nhot.errors import NhotError

__all__ = ["KINDS", "Kind", "case_random", "expect_printable", "load_kind", "refused_or_done"]

KINDS = {
    "images": "nhot_sim.fuzz.images:Images",
    "networks": "nhot_sim.fuzz.networks:Networks",
    "models": "nhot_sim.fuzz.models:Models",
    "configs": "nhot_sim.fuzz.files:Configs",
    "manifests": "nhot_sim.fuzz.files:Manifests",
    "results": "nhot_sim.fuzz.files:Results",
    "trials": "nhot_sim.fuzz.files:Trials",
    "reports": "nhot_sim.fuzz.files:Reports",
    "arrays": "nhot_sim.fuzz.files:Arrays",
    "checkpoints": "nhot_sim.fuzz.files:Checkpoints",
    "frames": "nhot_sim.fuzz.frames:Frames",
    "gateware": "nhot_sim.fuzz.frames:Gateware",
    **{
        f"line-{name}": f"nhot_sim.fuzz.lines:{name.capitalize()}" for name in (
            "baud", "cut", "flipped", "killed", "lost", "noise", "reordered", "repeated", "resets",
        )
    },
    "engines": "nhot_sim.fuzz.engines:Engines",
}
"""Every kind by name, as ``module:class``."""


class Kind(ABC):
    """One kind of case.

    Attributes
    ----------
    unit : str
        What a campaign counts.
    size : int
        How many of them a case holds.
    seconds : float
        Processor time after which a case is a hang; the slowest take a hundredth of it.
    """

    unit = "files"
    size = 1
    seconds = 60.0

    def prepare(self) -> None:  # noqa: B027
        """What takes more memory than a case may, and is kept: once, before the first case."""

    @abstractmethod
    def case(self, source: random.Random) -> bytes:
        """The bytes of a case; the same for a ``source`` in the same state."""

    @abstractmethod
    def check(self, data: bytes) -> bool:
        """Whether the case is accepted, or refused by name. Anything raised is a fault."""


def load_kind(name: str) -> Kind:
    """The kind that ``name`` (of :data:`KINDS`, or ``module:class``) names."""
    module, _, attribute = KINDS.get(name, name).partition(":")
    if not attribute:
        raise NhotError(f"Kind must be one of {', '.join(KINDS)}, not {name!r}")
    kind: Kind = getattr(importlib.import_module(module), attribute)()
    return kind


def case_random(name: str, seed: int, index: int) -> random.Random:
    """The source of case ``index``; it depends on nothing but these."""
    return random.Random(f"{name} {seed} {index}")


def refused_or_done(act: Callable[[], Any]) -> bool:
    """Call ``act`` as a command would: it prints plain text, or raises one plain line.

    Returns whether it was done. Raises what ``act`` raises if that is no :class:`NhotError`, and
    :class:`AssertionError` for text that a terminal would obey.
    """
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            act()
    except NhotError as error:
        expect_printable(str(error))
        return False
    expect_printable(output.getvalue().replace("\n", ""))
    return True


def expect_printable(text: str) -> None:
    """Refuse text with anything in it that is not printed as itself."""
    odd = [character for character in text if not character.isprintable()]
    assert not odd, f"text must be printable, not with {odd[0]!r}: {text[:200]!r}"
