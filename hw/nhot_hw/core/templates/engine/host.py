"""The frames that the core takes and gives: requests, answers, and how they go over a wire.

Plain Python without any package. A request is opcode, sequence, region (a byte each), address and
length (two bytes each, little endian), and the data of a WRITE; an answer is opcode + 128,
sequence, status, and data. Both are followed by a CRC-32, stuffed by COBS, and ended by a zero.
"""

import struct
import zlib

HELLO, WRITE, READ, RUN, STATUS, RESET, BOOT = range(1, 8)
PROGRAM, REQUANT, WEIGHTS, ACTIVATIONS, TIMING = range(5)


def request(
    opcode: int, sequence: int, *, region: int = 0, address: int = 0, length: int = 0,
    data: bytes = b"",
) -> bytes:
    """A request as it goes to the core. The address of RUN is its limit, in 65,536 cycles."""
    return seal(struct.pack("<BBBHH", opcode, sequence, region, address, length) + data)


def answer(frame: bytes) -> tuple[int, int, int, bytes]:
    """Opcode, sequence, status (0 is good, 1 busy, 2 a bad request) and data of an answer."""
    body = unseal(frame)
    return body[0] - 128, body[1], body[2], body[3:]


def seal(body: bytes) -> bytes:
    """A frame of these bytes: checksum, stuffing, delimiter."""
    out = bytearray()
    for run in _runs(body + zlib.crc32(body).to_bytes(4, "little")):
        out.append(len(run) + 1)
        out += run
    return bytes(out) + b"\0"


def unseal(frame: bytes) -> bytes:
    """The bytes in a frame, delimiter included. Raises ValueError where it is damaged."""
    out, rest = bytearray(), frame.removesuffix(b"\0")
    while rest:
        code = rest[0]
        out += rest[1:code]
        rest = rest[code:]
        if rest and code < 255:
            out.append(0)
    body, crc = bytes(out[:-4]), out[-4:]
    if zlib.crc32(body) != int.from_bytes(crc, "little"):
        raise ValueError("Frame must end with the CRC-32 of its other bytes")
    return body


def _runs(data: bytes) -> list[bytearray]:
    """What lies between the zeros, in pieces of at most 254; a full piece has no zero behind it."""
    runs = [bytearray()]
    for byte in data:
        if len(runs[-1]) == 254:
            runs.append(bytearray())
        if byte:
            runs[-1].append(byte)
        else:
            runs.append(bytearray())
    return runs
