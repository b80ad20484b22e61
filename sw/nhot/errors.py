"""The errors a user can cause, and the exit code that each one ends the command line with."""

from __future__ import annotations

__all__ = ["BuildError", "DeviceError", "MismatchError", "MissingToolError", "NhotError"]


class NhotError(ValueError):
    """Base of every error that a user's input can cause; its text is one line for the terminal."""

    exit_code = 2


class MismatchError(NhotError):
    """Two links of the verification chain disagree; the text names where."""

    exit_code = 1


class DeviceError(NhotError):
    """A board does not answer, or answers something else than it should."""

    exit_code = 1


class MissingToolError(NhotError):
    """An external tool or an optional package is absent; the text says how to install it."""

    exit_code = 3


class BuildError(NhotError):
    """Synthesis, placement, routing or a simulator build failed."""

    exit_code = 4
