"""Cores as users have them written."""

from __future__ import annotations

from nhot.cli import main

__all__ = ["core"]


def core(folder, *arguments):
    """Run ``nhot core``, which writes ``folder``; its exit code."""
    return main(["core", *map(str, arguments), "-o", str(folder)])
