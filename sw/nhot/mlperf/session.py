"""What a host is answered, command by command: the protocol without the line that it runs over."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from nhot.errors import DeviceError, NhotError
from nhot.mlperf.commands import LONGEST, SampleBuffer, count
from nhot.mlperf.inference import Inference
from nhot.mlperf.reading import Sample
from nhot.printable import printable

__all__ = ["READY", "Session"]

READY = "m-ready"
"""The end of every answer."""

_PROFILE = "ULPMark for tinyML Firmware V0.0.1"
_VENDOR = "nhot"
_WARM_UPS = 10
_MOST_RUNS = 2**31 - 1
_HELP = """
help           this text
name           the name of the device
profile        what the device speaks, and its model
timestamp      the time of the board: cycles of its inferences by its clock
db load N      a sample of N bytes follows
db HH[HH]*     bytes of it, as hexadecimal digits
db print       the bytes that have arrived
infer N [W]    N inferences that are timed, after W that are not (10)
results        the scores of the last inference
"""

_log = logging.getLogger("nhot.mlperf")


class Session:
    """All that one host asks, and what it has loaded.

    Parameters
    ----------
    inference : Inference
    """

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self._buffer = SampleBuffer()
        self._scores: list[float] | None = None

    def answer(self, command: str) -> Iterator[str | None]:
        """The lines of the answer, each as soon as it is known; the last one is :data:`READY`.

        An error is a line of the answer, whose work is not done. None after each inference says
        that there is more to do.
        """
        try:
            yield from self._work(command)
        except NhotError as error:
            if isinstance(error, DeviceError):
                _log.warning("%s", error)
            yield f"e-[{_ascii(str(error))}]"
        yield READY

    def _work(self, command: str) -> Iterator[str | None]:
        if len(command) > LONGEST:
            raise NhotError(f"Command must have at most {LONGEST} characters")
        match command.split():
            case []:  # hosts end what may be left of another command so
                pass
            case ["name"]:
                yield f"m-name-dut-[{_VENDOR}]"
            case ["profile"]:
                yield f"m-profile-[{_PROFILE}]"
                yield f"m-model-[{self._inference.reading.model.name}]"
            case ["help"]:
                yield from _HELP.strip().splitlines()
            case ["timestamp"]:
                yield self._lap()
            case ["db", *rest]:
                yield from self._fill(rest)
            case ["infer", *numbers] if len(numbers) <= 2:
                yield from self._infer(numbers)
            case ["results"]:
                yield self._results()
            case _:
                raise NhotError(f"Unknown command: {command}")

    def _lap(self) -> str:
        return f"m-lap-us-{self._inference.microseconds}"

    def _fill(self, words: list[str]) -> Iterator[str]:
        match words:
            case ["load", size]:
                yield f"m-[Expecting {self._buffer.announce(size)} bytes]"
            case ["print"]:
                yield from _dump(self._buffer.data)
            case [digits] if digits != "load":
                if self._buffer.append(digits):
                    yield "m-load-done"
            case _:
                raise NhotError("Command 'db' must be db load N, db print, or db and "
                                f"hexadecimal digits, not {' '.join(['db', *words])!r}")

    def _infer(self, numbers: list[str]) -> Iterator[str | None]:
        runs = count(numbers[0], "Inferences", 1, _MOST_RUNS) if numbers else 1
        warm_ups = count(numbers[1], "Warm-ups", 0, _MOST_RUNS) if numbers[1:] else _WARM_UPS
        sample = self._inference.reading.sample(self._buffer.data)
        self._scores = None
        yield f"m-warmup-start-{warm_ups}"
        yield from self._repeat(sample, warm_ups)
        yield "m-warmup-done"
        yield f"m-infer-start-{runs}"
        yield self._lap()
        yield from self._repeat(sample, runs - 1)
        output = self._inference.run(sample)
        yield self._lap()
        yield "m-infer-done"
        self._scores = self._inference.reading.scores(sample, output)
        yield self._results()

    def _repeat(self, sample: Sample, times: int) -> Iterator[None]:
        for _ in range(times):
            self._inference.run(sample)
            yield None

    def _results(self) -> str:
        if self._scores is None:
            raise NhotError("Results must be of an inference, and there was none")
        return f"m-results-[{','.join(f'{score:.3f}' for score in self._scores)}]"


def _dump(data: bytes) -> Iterator[str]:
    for start in range(0, len(data), 8):
        yield f"m-buffer-{data[start : start + 8].hex('-')}"


def _ascii(text: str) -> str:
    """One line that any host can read."""
    return printable(text).encode("ascii", "backslashreplace").decode()
