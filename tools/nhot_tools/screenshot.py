"""``make screenshot``: the page of ``nhot serve`` with a digit drawn on it, as ``docs/serve.png``.

The digits' network is trained anew and runs on a virtual iCEBreaker. Fonts are the machine's.
"""

from __future__ import annotations

import io
import math
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image as Pillow

from nhot.cli.failures import guarded
from nhot.cli.ports import open_port
from nhot.compiler import Image, compile_network
from nhot.compiler.targets import target
from nhot.network import Network
from nhot.printable import say
from nhot.progress import configure_logging
from nhot.serve import Server, Table
from nhot.serve.facts import Facts
from nhot.serve.samples import Samples
from nhot_tools.browser import Browser
from nhot_tools.tree import ROOT

__all__ = ["WIDTH", "screenshot"]

FILE = ROOT / "docs/serve.png"
WIDTH = 1000
"""Of the window, in pixels."""

_COLOURS = 128
# Two arcs, the upper one smaller: middle and radius in parts of the square, from and to in degrees.
_THREE = (((0.48, 0.31), 0.20, 200, 430), ((0.48, 0.69), 0.22, 290, 520))


def main() -> int:
    """Draw it; returns the exit code."""
    from nhot.experiments.trained_digits import train_digits

    with guarded(sys.argv[1:]) as outcome:
        configure_logging(0)
        board = target("icebreaker")
        network = train_digits().network
        FILE.write_bytes(screenshot(compile_network(network, board.config), network,
                                    board.clock_hz))
        say(FILE.relative_to(ROOT))
    return outcome.code


def screenshot(image: Image, network: Network, clock_hz: int) -> bytes:
    """A PNG file of the page after a digit was drawn for ``network``, which runs on a virtual
    board."""
    # A browser's own children may still write when it has ended.
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        _page(image, network, clock_hz) as address,
        Browser(Path(folder)) as browser,
    ):
        browser.scheme("light")
        browser.open(address, width=WIDTH)
        browser.until("document.title !== 'nhot'")
        left, top, side = browser.evaluate(
            "(() => { const box = document.getElementById('drawing').getBoundingClientRect(); "
            "return [box.left, box.top, box.width]; })()")
        browser.draw([(left + side * x, top + side * y) for x, y in _stroke()])
        browser.until("document.getElementById('message').hidden "
                      "&& document.querySelectorAll('.tile').length > 0")
        return _small(browser.picture())


@contextmanager
def _page(image: Image, network: Network, clock_hz: int) -> Iterator[str]:
    samples = Samples()
    facts = Facts(samples, lambda _: clock_hz, "virtual board")
    with Table(lambda config: open_port("virtual", config)) as table:
        table.load(image, network)
        with Server(table, facts, samples) as server:
            thread = threading.Thread(target=server.run)
            thread.start()
            try:
                yield server.address
            finally:
                server.stop()
                thread.join()


def _stroke() -> Iterator[tuple[float, float]]:
    for (x, y), radius, start, end in _THREE:
        for degrees in range(start, end + 1, 10):
            angle = math.radians(degrees)
            yield x + radius * math.cos(angle), y + radius * math.sin(angle)


def _small(png: bytes) -> bytes:
    with Pillow.open(io.BytesIO(png)) as picture:
        few = picture.convert("RGB").quantize(_COLOURS)
    buffer = io.BytesIO()
    few.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())
