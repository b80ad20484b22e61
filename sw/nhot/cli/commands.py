"""Find the commands without importing what they need."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, cast

from nhot.errors import NhotError

__all__ = ["GROUP", "Command", "find", "helps", "load"]

GROUP = "nhot.commands"


class Command(Protocol):
    """What a command module has."""

    HELP: str

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""

    def run(self, args: Namespace) -> int:
        """Do it and return the exit code."""


def find() -> dict[str, EntryPoint]:
    """Entry point of each command by name, in the order in which a user needs them."""
    found = {point.name: point for point in entry_points(group=GROUP)}
    order = ["demo", "train", "quantize", "compile", "info", "export", "core", "verilog",
             "simulate", "verify", "prove", "boards", "build", "patch", "load", "run", "serve",
             "mlperf", "compare", "evaluate", "bench", "fuzz", "study", "explore", "report",
             "doctor"]
    known = [name for name in order if name in found]
    return {name: found[name] for name in known + sorted(set(found) - set(known))}


def load(name: str) -> Command:
    """Import the command called ``name``; a mistyped one is refused with the nearest ones."""
    points = find()
    if name not in points:
        near = get_close_matches(name, points, n=2, cutoff=0.5)
        hint = f" (did you mean {' or '.join(near)}?)" if near else f": {', '.join(points)}"
        raise NhotError(f"Command must be one that nhot --help lists, not {name!r}{hint}")
    return cast(Command, points[name].load())


def helps() -> dict[str, str]:
    """The one-line help of every command; one that cannot be imported does not stop the others."""
    texts = {}
    for name, point in find().items():
        try:
            texts[name] = cast(Command, point.load()).HELP
        except Exception as error:
            texts[name] = f"(not available: {error})"
    return texts
