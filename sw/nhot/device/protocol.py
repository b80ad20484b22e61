"""The frames between host and board, as plain values; ``docs/protocol.md`` describes them.

A frame is a header, a payload and a CRC-32, stuffed by COBS and ended by a zero byte. The
gateware's host link takes its numbers from here.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

from nhot.contract.program import LIMIT_CYCLES, MAX_PAYLOAD, Fault, Region
from nhot.device import cobs
from nhot.errors import DeviceError, NhotError

__all__ = [
    "BUFFER_BYTES", "HEADER_BYTES", "LIMIT_CYCLES", "MAX_PAYLOAD", "VERSION", "Boot", "Fault",
    "FrameError", "Hello", "Opcode", "Region", "Request", "Response", "State", "Status", "seal",
    "unseal",
]

#: Version of the protocol that HELLO reports.
VERSION = 2

#: Bytes of stuffed frames that a board can hold while it is busy with the oldest of them.
BUFFER_BYTES = 511

#: opcode, sequence, region, address, length; what a request has before its payload.
HEADER_BYTES = 7

_CRC_BYTES = 4
_REQUEST = struct.Struct("<BBBHH")
_RESPONSE = struct.Struct("<BBB")
_HELLO = struct.Struct("<BIH")
_STATE = struct.Struct("<BBBBIIH")
_BOOT = struct.Struct("<B")
_ANSWER = 0x80


class FrameError(DeviceError):
    """Bytes that are no frame: torn, altered, or of a kind that this side does not know."""


class Opcode(IntEnum):
    """What a request asks for."""

    HELLO = 1
    WRITE = 2
    READ = 3
    RUN = 4
    STATUS = 5
    RESET = 6
    BOOT = 7


class Boot(IntEnum):
    """What came of the record in the flash when the board was switched on."""

    NONE = 0
    FOREIGN = 1
    DAMAGED = 2
    LOADED = 3

    @classmethod
    def read(cls, payload: bytes) -> Boot:
        """Read the payload of the response to BOOT. Raises :class:`FrameError`."""
        (outcome,) = _unpack(_BOOT, payload)
        if outcome not in list(cls):
            raise FrameError(f"Outcome of a boot must be 0 to {max(cls):d}, not {outcome}")
        return cls(outcome)


class Status(IntEnum):
    """How a request ended."""

    OK = 0
    BUSY = 1
    BAD_REQUEST = 2


@dataclass(frozen=True, kw_only=True)
class Request:
    """A frame from the host.

    Parameters
    ----------
    opcode : Opcode
    sequence : int
        0 to 255; the response repeats it. Given by the link, unless frames are made by hand.
    region, address : int
        What WRITE and READ reach; the address counts words of the region. The address of RUN is
        its limit: the most cycles, in units of :data:`LIMIT_CYCLES`.
    length : int
        Bytes to read or write, at most 256.
    payload : bytes
        ``length`` bytes of a WRITE, else nothing.
    """

    opcode: Opcode
    sequence: int = 0
    region: int = 0
    address: int = 0
    length: int = 0
    payload: bytes = b""

    def __post_init__(self) -> None:
        for what, value, last in (
            ("sequence", self.sequence, 0xFF), ("region", self.region, max(Region)),
            ("address", self.address, 0xFFFF), ("length", self.length, MAX_PAYLOAD),
        ):
            if not 0 <= value <= last:
                raise NhotError(f"Request {what} must be 0 to {last}, not {value}")
        expected = self.length if self.opcode == Opcode.WRITE else 0
        if len(self.payload) != expected:
            raise NhotError(
                f"Request payload must be {expected} bytes long, not {len(self.payload)}"
            )

    @property
    def answer_bytes(self) -> int:
        """Bytes of the payload of the answer to this request, if it is OK."""
        fixed = {
            Opcode.HELLO: _HELLO.size, Opcode.STATUS: _STATE.size, Opcode.READ: self.length,
            Opcode.BOOT: _BOOT.size,
        }
        return fixed.get(self.opcode, 0)

    def to_bytes(self) -> bytes:
        """The frame as it goes over the wire, delimiter included."""
        header = _REQUEST.pack(
            self.opcode, self.sequence, self.region, self.address, self.length
        )
        return seal(header + self.payload)

    @classmethod
    def from_bytes(cls, frame: bytes) -> Request:
        """Read a frame without its delimiter. Raises :class:`FrameError`."""
        body = unseal(frame, _REQUEST.size)
        opcode, sequence, region, address, length = _REQUEST.unpack_from(body)
        try:
            return cls(
                opcode=Opcode(opcode), sequence=sequence, region=region, address=address,
                length=length, payload=body[_REQUEST.size:],
            )
        except ValueError as error:
            raise FrameError(str(error)) from None


@dataclass(frozen=True, kw_only=True)
class Response:
    """A frame from the board: what became of the request with the same opcode and sequence."""

    opcode: Opcode
    sequence: int
    status: Status = Status.OK
    payload: bytes = b""

    def to_bytes(self) -> bytes:
        """The frame as it goes over the wire, delimiter included."""
        header = _RESPONSE.pack(self.opcode | _ANSWER, self.sequence, self.status)
        return seal(header + self.payload)

    @classmethod
    def from_bytes(cls, frame: bytes) -> Response:
        """Read a frame without its delimiter. Raises :class:`FrameError`."""
        body = unseal(frame, _RESPONSE.size)
        opcode, sequence, status = _RESPONSE.unpack_from(body)
        try:
            return cls(
                opcode=Opcode(opcode ^ _ANSWER), sequence=sequence, status=Status(status),
                payload=body[_RESPONSE.size:],
            )
        except ValueError as error:
            raise FrameError(str(error)) from None


@dataclass(frozen=True, kw_only=True)
class Hello:
    """What a board says of itself."""

    version: int
    target_id: int
    max_payload: int

    def to_bytes(self) -> bytes:
        """The payload of the response to HELLO."""
        return _HELLO.pack(self.version, self.target_id, self.max_payload)

    @classmethod
    def from_bytes(cls, payload: bytes) -> Hello:
        """Read the payload of the response to HELLO. Raises :class:`FrameError`."""
        version, target_id, max_payload = _unpack(_HELLO, payload)
        return cls(version=version, target_id=target_id, max_payload=max_payload)


@dataclass(frozen=True, kw_only=True)
class State:
    """What a board is doing and has done.

    Parameters
    ----------
    busy : bool
        A run is under way; ``cycles`` and ``stalls`` are then not final.
    runs : int
        Runs finished since power-up, modulo 256.
    cycles, stalls : int
        Clock cycles of the last run, and how many of them waited for memory.
    dropped : int
        Frames that arrived altered, torn or overlong since power-up, modulo 256.
    fault : Fault
        Why the last run ended before its END.
    layer : int
        Layers that the last run finished.
    """

    busy: bool
    runs: int
    cycles: int
    stalls: int
    dropped: int
    fault: Fault = Fault.NONE
    layer: int = 0

    def to_bytes(self) -> bytes:
        """The payload of the response to STATUS."""
        return _STATE.pack(
            self.busy, self.runs, self.fault, self.dropped, self.cycles, self.stalls, self.layer
        )

    @classmethod
    def from_bytes(cls, payload: bytes) -> State:
        """Read the payload of the response to STATUS. Raises :class:`FrameError`."""
        busy, runs, fault, dropped, cycles, stalls, layer = _unpack(_STATE, payload)
        if fault not in list(Fault):
            raise FrameError(f"Fault must be 0 to {max(Fault):d}, not {fault}")
        return cls(
            busy=bool(busy), runs=runs, cycles=cycles, stalls=stalls, dropped=dropped,
            fault=Fault(fault), layer=layer,
        )


def seal(body: bytes) -> bytes:
    """Header and payload as they go over the wire: checksum, stuffing, delimiter."""
    return cobs.encode(body + zlib.crc32(body).to_bytes(_CRC_BYTES, "little")) + b"\0"


def unseal(frame: bytes, least: int = 0) -> bytes:
    """Undo :func:`seal` for a frame without its delimiter, of at least ``least`` bytes.

    Raises :class:`FrameError`.
    """
    try:
        raw = cobs.decode(frame)
    except NhotError as error:
        raise FrameError(str(error)) from None
    body, crc = raw[:-_CRC_BYTES], raw[-_CRC_BYTES:]
    if len(body) < least:
        raise FrameError(f"Frame must have at least {least + _CRC_BYTES} bytes, not {len(raw)}")
    if zlib.crc32(body) != int.from_bytes(crc, "little"):
        raise FrameError("Frame must end with the CRC-32 of its other bytes")
    return body


def _unpack(layout: struct.Struct, payload: bytes) -> tuple[int, ...]:
    if len(payload) != layout.size:
        raise FrameError(f"Payload must be {layout.size} bytes long, not {len(payload)}")
    return layout.unpack(payload)
