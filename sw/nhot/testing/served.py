"""A page's server with a board on a desk, which answers from the reference, and what asks it."""

from __future__ import annotations

import http.client
import io
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from nhot.compiler import EngineConfig, Image, compile_network
from nhot.device import LayerTime, Result, State
from nhot.errors import DeviceError
from nhot.formats.format import Ints
from nhot.network import Network
from nhot.network.reference import run as reference
from nhot.serve import Server, Table
from nhot.serve.facts import Facts
from nhot.serve.samples import Samples
from nhot.testing.networks import random_network
from nhot.testing.tiny_networks import tiny_network

__all__ = [
    "ask", "COLOUR", "CONFIG", "FakeBoard", "FakeDesk", "GREY", "image_file", "photograph", "png",
    "serving", "VECTOR", "VOICE",
]

CONFIG = EngineConfig(
    pixels=1, filters=4, inputs=4, accumulator_bits=25, product_bits=37, activation_words=6928,
    weight_words=448, requant_words=1288, program_words=42,
)
COLOUR, VOICE, VECTOR = (tiny_network(name) for name in ("ic01", "kws01", "ad01"))
GREY = random_network(2, layers=1, shape=(8, 8, 1), operators=("linear",))


class FakeBoard:
    """Answers from the reference of what was loaded; ``fault`` is raised by what comes next."""

    def __init__(self, config: EngineConfig) -> None:
        self.hello = type("Hello", (), {"target_id": config.target_id})
        self.link = type("Link", (), {"repeated": 2})
        self.networks = {net.name: net for net in (COLOUR, VOICE, VECTOR, GREY)}
        self.image: Image | None = None
        self.runs = 0

    def load(self, image: Image, *, verify: bool, progress: Callable[[int, int], None]) -> None:
        """As a board does, at once."""
        FakeDesk.check()
        progress(10, 10)
        self.image = image

    def run(self, values: Ints) -> Result:
        """The outputs of inputs (height, width, channels), and how long they would take."""
        FakeDesk.check()
        self.runs += 1
        assert self.image is not None
        network = self.networks[self.image.meta.network]
        return Result(outputs=reference(network, values[None])[0], cycles=100, stalls=7)

    def layer_cycles(self) -> list[LayerTime]:
        """Ten cycles for each layer; a stall more in each."""
        assert self.image is not None
        layers = self.image.meta.layers
        return [LayerTime(name=layer.name, end=10 * (place + 1), stalls=place)
                for place, layer in enumerate(layers)]

    def status(self) -> State:
        """Of a board that is idle."""
        return State(busy=False, runs=self.runs, cycles=100, stalls=7, dropped=3)


class FakeDesk:
    """Where boards are opened: counts them, and can make them fail or wait."""

    fault: str | None = None
    gate: threading.Event | None = None
    opened = 0
    closed = 0

    @classmethod
    def check(cls) -> None:
        """Wait for ``gate`` and raise ``fault``, where there are such."""
        if cls.gate is not None:
            cls.gate.wait(60)
        if cls.fault is not None:
            raise DeviceError(cls.fault)

    @classmethod
    @contextmanager
    def board(cls, config: EngineConfig) -> Iterator[Any]:
        """A board that is open until the context ends."""
        cls.opened += 1
        try:
            yield FakeBoard(config)
        finally:
            cls.closed += 1


@contextmanager
def serving(
    *, limits: tuple[float, float] | None = None, clock: int | None = 12_000_000,
    classes: tuple[str, ...] = (),
) -> Iterator[tuple[int, Table]]:
    """A server that runs: its port, and the table with its board."""
    samples = Samples(limits)
    facts = Facts(samples, lambda _: clock, "board on a desk", classes)
    with Table(FakeDesk.board) as table, Server(table, facts, samples) as server:
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            yield int(server.address.rsplit(":", 1)[1].strip("/")), table
        finally:
            server.stop()
            thread.join(60)


def ask(
    port: int, path: str, body: bytes | None = None, *, host: str | None = None,
    mark: str | None = "1", headers: Sequence[tuple[str, str]] = (), method: str | None = None,
) -> tuple[http.client.HTTPResponse, Any]:
    """One request, of the page itself where nothing else is said; its answer and what is in it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest(method or ("GET" if body is None else "POST"), path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{port}")
    if mark is not None:
        connection.putheader("X-Nhot", mark)
    if body is not None and "Content-Length" not in dict(headers):
        connection.putheader("Content-Length", str(len(body)))
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    kind = answer.getheader("Content-Type")
    return answer, json.loads(content) if kind == "application/json" else content


def image_file(network: Network) -> Image:
    """The network compiled for the engine on the desk."""
    return compile_network(network, CONFIG)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A file of pixels (height, width) or (height, width, 3)."""
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def photograph(height: int, width: int, seed: int = 0) -> bytes:
    """A file of random pixels in colour."""
    return png(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))
