"""The study of a model of one's own, as a command, and how it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nhot.cli import main

if TYPE_CHECKING:
    import pytest

__all__ = ["STUDY", "refused"]

STUDY = ["study", "--model", "model.py:build", "--data", "data.npz", "--test", "test.npz"]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that the command has for what is wrong."""
    capsys.readouterr()
    assert main(list(arguments)) == 2
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    return line
