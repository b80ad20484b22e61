"""How far a bench is, from the simulator's process to the one that waits for it."""

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

from nhot.progress import Progress

__all__ = ["Reporter", "watch"]

_PERIOD = 0.2  # seconds between two looks


class Reporter:
    """In a bench: counts units of a phase of the work into a file, a hundred times in a phase.

    Parameters
    ----------
    path : str, optional
        Nothing is written without one.
    """

    def __init__(self, path: str | None) -> None:
        self._path = None if path is None else Path(path)

    def begin(self, what: str, total: int, unit: str) -> None:
        """Start a phase of ``total`` units."""
        self._phase = {"what": what, "total": total, "unit": unit}
        self._done = self._written = 0
        self._write()

    def step(self, count: int = 1) -> None:
        """Note that ``count`` more units are done."""
        self._done += count
        if (self._done - self._written) * 100 >= self._phase["total"]:
            self._write()

    def _write(self) -> None:
        self._written = self._done
        if self._path is not None:
            # Renamed, so that the reader sees a whole line or the one before.
            new = self._path.with_suffix(".new")
            new.write_text(json.dumps({**self._phase, "done": self._done}), encoding="utf-8")
            new.replace(self._path)


@contextlib.contextmanager
def watch(path: Path) -> Iterator[None]:
    """Show what a :class:`Reporter` writes to ``path`` on standard error, until the block ends."""
    ended = threading.Event()
    thread = threading.Thread(target=_follow, args=(path, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _follow(path: Path, ended: threading.Event) -> None:
    shown: Progress | None = None
    while not ended.wait(_PERIOD):
        if not path.exists():
            continue
        state = json.loads(path.read_text(encoding="utf-8"))
        if shown is None or (shown.what, shown.total) != (state["what"], state["total"]):
            if shown is not None:
                shown.close()
            shown = Progress(state["what"], state["total"], unit=state["unit"])
        shown.to(state["done"])
    if shown is not None:
        shown.close()
