"""A golden session with an engine: what a host sends, and what the engine must answer."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from nhot.compiler import Image, compile_network
from nhot.contract.config import EngineConfig
from nhot.contract.cycles import run_limit
from nhot.contract.program import unpack_program
from nhot.device.protocol import MAX_PAYLOAD, VERSION, Hello, Opcode, Region, Request, Response
from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.network import Conv2d, Linear, Network, Requant, Tensor, Window
from nhot.network.reference import run
from nhot.testing.engine_networks import sample_weights

__all__ = ["Exchange", "Golden", "engine_session", "golden", "script"]


class Golden(NamedTuple):
    """A small network for an engine, two inputs, and the reference's outputs."""

    image: Image
    inputs: Ints
    outputs: Ints


def golden(config: EngineConfig) -> Golden:
    """A random input and the largest one, which overflows nothing.

    Raises :class:`NhotError` if the memories of the engine hold no network.
    """
    network, image = _network(config)
    rng = np.random.default_rng(1)
    tensor = network.input
    inputs = np.stack([
        rng.integers(tensor.low, tensor.high + 1, tensor.shape), np.full(tensor.shape, tensor.high),
    ])
    return Golden(image, inputs, run(network, inputs))


class Exchange(NamedTuple):
    """A frame of the host and the engine's answer, in hexadecimal, delimiters included.

    After ``runs`` the next frame must wait until the engine is no longer busy.
    """

    what: str
    send: str
    answer: str
    runs: bool = False


def engine_session(config: EngineConfig) -> list[Exchange]:
    """A small network loaded and run on two inputs; the answers are the reference's.

    Raises :class:`NhotError` if the memories of the engine hold not even that.
    """
    image, inputs, outputs = golden(config)
    requests = _Requests()
    hello = Hello(version=VERSION, target_id=config.target_id, max_payload=MAX_PAYLOAD)
    session = [requests.make("hello", hello.to_bytes(), opcode=Opcode.HELLO)]
    for region, word, content in (
        (Region.PROGRAM, 4, image.program),
        (Region.REQUANT, 4 * config.requantisers, image.requant),
        (Region.WEIGHTS, config.code_bytes, image.weights),
    ):
        session += requests.write(region, 0, word, content)
    session += requests.read(Region.PROGRAM, 0, image.program[:MAX_PAYLOAD])
    for values, wanted in zip(inputs, outputs, strict=True):
        session += requests.write(
            Region.ACTIVATIONS, image.meta.input.address, config.inputs,
            image.meta.input.pack(values),
        )
        limit = run_limit(unpack_program(image.program), config)
        started = requests.make("run", b"", opcode=Opcode.RUN, address=limit)
        session.append(started._replace(runs=True))
        place = image.meta.output
        session += requests.read(Region.ACTIVATIONS, place.address, place.pack(wanted))
    return session


def script(session: Iterable[Exchange]) -> str:
    """A session as lines for ``$readmemh``: 0xx sends a byte, 1xx expects one, 200 waits."""
    lines = []
    for one in session:
        lines += [f"0{byte:02x}" for byte in bytes.fromhex(one.send)]
        lines += [f"1{byte:02x}" for byte in bytes.fromhex(one.answer)]
        lines += ["200"] * one.runs
    return "\n".join(lines) + "\n"


class _Requests:
    """Frames of a host, numbered one after the other."""

    def __init__(self) -> None:
        self.sequence = 0

    def make(self, what: str, answer: bytes, *, opcode: Opcode, **fields: object) -> Exchange:
        self.sequence = (self.sequence + 1) & 0xFF
        request = Request(opcode=opcode, sequence=self.sequence, **fields)
        response = Response(opcode=opcode, sequence=self.sequence, payload=answer)
        return Exchange(what, request.to_bytes().hex(), response.to_bytes().hex())

    def write(self, region: Region, address: int, word: int, content: bytes) -> Iterator[Exchange]:
        """Whole words of ``word`` bytes, as many a frame as fit."""
        most = MAX_PAYLOAD // word * word
        for start in range(0, len(content), most):
            part = content[start : start + most]
            yield self.make(
                f"write {region.name.lower()}", b"", opcode=Opcode.WRITE, region=region,
                address=address + start // word, length=len(part), payload=part,
            )

    def read(self, region: Region, address: int, content: bytes) -> Iterator[Exchange]:
        """Words that must be ``content``, in one frame."""
        yield self.make(
            f"read {region.name.lower()}", content, opcode=Opcode.READ, region=region,
            address=address, length=len(content),
        )


def _network(config: EngineConfig) -> tuple[Network, Image]:
    """A convolution and a dense layer, or the dense layer alone on a very small engine."""
    for size in (4, 1):
        network = _make(config, size)
        try:
            return network, compile_network(network, config)
        except NhotError as error:
            reason = error
    raise NhotError(f"Engine must hold a dense layer of {config.inputs} inputs: {reason}")


def _make(config: EngineConfig, size: int) -> Network:
    fmt, rng = config.weight_format, np.random.default_rng(0)
    source = Tensor(name="x", shape=(size, size, min(config.inputs, 8)), bits=8, signed=True)
    nodes: list[Conv2d | Linear] = []

    def requant(count: int) -> Requant:
        return Requant.from_scale(
            rng.uniform(0.2, 0.5, count) / fmt.max_level, zero_point=0, low=-128, high=127
        )

    x, hidden = source, 4
    if not fmt.contains(0):  # the dense layer must fill its steps
        hidden = -(-hidden // config.inputs) * config.inputs
    if size > 1:
        x = Tensor(name="conv", shape=(size, size, hidden), bits=8, signed=True)
        nodes.append(Conv2d(
            inputs=("x",), output=x, format=fmt, bias=rng.integers(-500, 500, hidden),
            weights=sample_weights(fmt, (hidden, 3, 3, source.shape[-1]), rng),
            requant=requant(hidden),
            window=Window(kernel=(3, 3), padding=(1, 1, 1, 1)),
        ))
    # As many outputs as fill whole words, so that every byte that is read is defined.
    count = max(config.filters, config.inputs)
    scores = Tensor(name="scores", shape=(1, 1, count), bits=8, signed=True)
    nodes.append(Linear(
        inputs=(x.name,), output=scores, format=fmt, bias=rng.integers(-500, 500, count),
        weights=sample_weights(fmt, (count, *x.shape), rng).reshape(count, -1),
        requant=requant(count),
    ))
    return Network(name="bench", input=source, nodes=tuple(nodes))
