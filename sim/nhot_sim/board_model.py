"""A board in Python: what the gateware does with the bytes of a host, and a line with faults.

The host's side is tested against this model, and the gateware is tested to be equal to it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from nhot.contract.codes import unpack_codes
from nhot.contract.config import EngineConfig
from nhot.contract.program import Region
from nhot.device import LoopbackTransport
from nhot.device.protocol import (
    HEADER_BYTES,
    MAX_PAYLOAD,
    VERSION,
    Boot,
    Fault,
    FrameError,
    Hello,
    Opcode,
    State,
    Status,
    seal,
    unseal,
)

__all__ = ["BoardModel", "EngineMemory", "FaultyLine", "PlainMemory", "Run", "loopback"]

_HEADER = HEADER_BYTES


class PlainMemory:
    """Regions of words that are read as they were written.

    Parameters
    ----------
    words : int
        Of each region.
    word_bytes : dict, optional
        Bytes of a word, where it is not 4.
    """

    def __init__(self, words: int = 256, word_bytes: dict[int, int] | None = None) -> None:
        self.word_bytes = {int(region): 4 for region in Region} | (word_bytes or {})
        self.data = {
            region: bytearray(words * size) for region, size in self.word_bytes.items()
        }

    def write(self, region: int, address: int, data: bytes) -> None:
        """Store the whole words of ``data`` that lie within the region."""
        size = self.word_bytes[region]
        memory = self.data[region]
        start = address * size
        usable = max(0, min(len(data) // size * size, len(memory) - start))
        memory[start : start + usable] = data[:usable]

    def read(self, region: int, address: int, length: int) -> bytes:
        """``length`` bytes; zeros beyond the region."""
        start = address * self.word_bytes[region]
        return bytes(self.data[region][start : start + length]).ljust(length, b"\0")


class EngineMemory(PlainMemory):
    """The memories of an engine: weights are written as codes and read as fields."""

    def __init__(self, config: EngineConfig) -> None:
        sizes = {
            Region.REQUANT: 4 * config.requantisers, Region.WEIGHTS: config.code_bytes,
            Region.ACTIVATIONS: config.inputs,
        }
        super().__init__(words=0, word_bytes={int(k): v for k, v in sizes.items()})
        self.config = config
        depths = {
            Region.PROGRAM: config.program_words, Region.REQUANT: config.requant_words,
            Region.WEIGHTS: config.weight_words, Region.ACTIVATIONS: config.activation_words,
            Region.TIMING: config.program_words,
        }
        for region, depth in depths.items():
            self.data[region] = bytearray(depth * self.word_bytes[region])

    def read(self, region: int, address: int, length: int) -> bytes:
        """As :meth:`PlainMemory.read`, but weights as the fields of their codes."""
        if region != Region.WEIGHTS:
            return super().read(region, address, length)
        fmt, count = self.config.weight_format, self.config.word_codes
        size = self.config.field_bytes // count
        words = -(-length // self.config.field_bytes)
        raw = super().read(region, address, words * self.config.code_bytes)
        fields = fmt.field_table[unpack_codes(raw, fmt.code_bits, count)]
        stored = fields.reshape(-1).astype("<u8").view(np.uint8).reshape(-1, 8)[:, :size]
        return stored.tobytes()[:length]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What STATUS has to say of a run."""

    cycles: int = 0
    stalls: int = 0
    fault: Fault = Fault.NONE
    layer: int = 0


class BoardModel:
    """Takes a host's bytes and returns the answers, one frame after another.

    Parameters
    ----------
    target_id : int
    memory : PlainMemory
    on_run : callable
        Called with its limit when a run begins.
    boot : Boot, optional
        What BOOT reports; None for a board that knows no such request.

    Attributes
    ----------
    last : Run
    """

    def __init__(
        self, *, target_id: int, memory: PlainMemory,
        on_run: Callable[[int], Run] = lambda limit: Run(), boot: Boot | None = None,
    ) -> None:
        self.target_id = target_id
        self.memory = memory
        self.on_run = on_run
        self.boot = boot
        self.busy = False
        self.runs = self.dropped = 0
        self.last = Run()
        self._last_run: int | None = None
        self._received = b""

    def answer(self, data: bytes) -> bytes:
        """What the board sends because of ``data``."""
        *frames, self._received = (self._received + data).split(b"\0")
        return b"".join(self._execute(frame) for frame in frames)

    def _execute(self, frame: bytes) -> bytes:
        if len(frame) < 2:  # it holds no byte: two delimiters in a row, or noise
            return b""
        try:
            body = unseal(frame, _HEADER)
            if len(body) > _HEADER + MAX_PAYLOAD:
                raise FrameError("overlong")
        except FrameError:
            self.dropped = (self.dropped + 1) & 0xFF
            return b""
        status, payload = self._obey(body)
        # Not a Response: an opcode that there is not is answered too.
        return seal(bytes([body[0] | 0x80, body[1], status]) + payload)

    def _obey(self, body: bytes) -> tuple[Status, bytes]:
        opcode, sequence, region = body[:3]
        address = int.from_bytes(body[3:5], "little")
        length = int.from_bytes(body[5:7], "little")
        payload = body[_HEADER:]
        known = opcode in list(Opcode) and (opcode != Opcode.BOOT or self.boot is not None)
        fits = length <= MAX_PAYLOAD and region in list(Region)
        if not known or not fits or len(payload) != (length if opcode == Opcode.WRITE else 0):
            return Status.BAD_REQUEST, b""
        if opcode in (Opcode.WRITE, Opcode.READ):
            if self.busy:
                return Status.BUSY, b""
            if opcode == Opcode.READ:
                return Status.OK, self.memory.read(region, address, length)
            self.memory.write(region, address, payload)
        elif opcode == Opcode.RUN:
            return self._run(sequence, limit=address), b""
        elif opcode == Opcode.BOOT and self.boot is not None:
            return Status.OK, bytes([self.boot])
        elif opcode == Opcode.STATUS:
            return Status.OK, self.state().to_bytes()
        else:
            self._last_run = None
            if opcode == Opcode.RESET:
                self.busy = False
            else:
                hello = Hello(version=VERSION, target_id=self.target_id, max_payload=MAX_PAYLOAD)
                return Status.OK, hello.to_bytes()
        return Status.OK, b""

    def _run(self, sequence: int, limit: int) -> Status:
        if sequence == self._last_run:
            return Status.OK
        if self.busy:
            return Status.BUSY
        self._last_run = sequence
        self.last = self.on_run(limit)
        self.runs = (self.runs + (self.last.fault is Fault.NONE)) & 0xFF
        return Status.OK

    def state(self) -> State:
        """What STATUS answers."""
        return State(
            busy=self.busy, runs=self.runs, dropped=self.dropped, **asdict(self.last)
        )


class FaultyLine:
    """Damages the frames that pass, each with probability ``rate``: a seeded, repeatable bad line.

    Parameters
    ----------
    rate : float
    kinds : str
        Which faults there may be: drop, twice, flip a bit, swap with the next frame, cut short,
        garbage before the frame; by their first letters.
    """

    def __init__(self, *, rate: float, seed: int, kinds: str = "dtfscg") -> None:
        self.rate = rate
        self.kinds = kinds
        self.faults = 0
        self._random = random.Random(seed)
        self._part = b""

    def carry(self, data: bytes) -> bytes:
        """What arrives of ``data``; an unfinished frame waits for its end."""
        *frames, self._part = (self._part + data).split(b"\0")
        out: list[bytes] = []
        held = b""
        for frame in frames:
            whole = frame + b"\0"
            kind = self._random.choice(self.kinds) if self._random.random() < self.rate else ""
            self.faults += bool(kind)
            if kind == "s":
                held += whole
                continue
            out.append(self._damage(whole, kind) + held)
            held = b""
        return b"".join(out) + held

    def _damage(self, frame: bytes, kind: str) -> bytes:
        source = self._random
        if kind == "d":
            return b""
        if kind == "t":
            return frame + frame
        if kind == "f":
            damaged = bytearray(frame)
            damaged[source.randrange(len(frame))] ^= 1 << source.randrange(8)
            return bytes(damaged)
        if kind == "c":
            return frame[: source.randrange(len(frame))]
        if kind == "g":
            return source.randbytes(source.randrange(1, 20)) + frame
        return frame


def loopback(board: BoardModel, *lines: FaultyLine) -> LoopbackTransport:
    """A transport to ``board``; with two lines, what passes them on its way there and back."""
    if not lines:
        return LoopbackTransport(board.answer)
    there, back = lines
    return LoopbackTransport(lambda data: back.carry(board.answer(there.carry(data))))
