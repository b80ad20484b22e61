"""Frames as bytes and back, and what is refused."""

from __future__ import annotations

import random
import re
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhot.contract.program import Region
from nhot.device import cobs
from nhot.device.flash_record import HEADER, MAGIC
from nhot.device.protocol import (
    BUFFER_BYTES,
    LIMIT_CYCLES,
    MAX_PAYLOAD,
    VERSION,
    Boot,
    Fault,
    FrameError,
    Hello,
    Opcode,
    Request,
    Response,
    State,
    Status,
    seal,
    unseal,
)
from nhot.errors import NhotError

BYTES = st.binary(max_size=600) | st.lists(
    st.sampled_from([0, 0, 1, 255]), max_size=600
).map(bytes)


@pytest.mark.parametrize(("data", "stuffed"), [
    (b"", b"\1"), (b"\0", b"\1\1"), (b"\0\0", b"\1\1\1"), (b"a", b"\2a"), (b"a\0", b"\2a\1"),
    (b"ab\0c", b"\3ab\2c"),
    (b"a" * 253, b"\xfe" + b"a" * 253), (b"a" * 254, b"\xff" + b"a" * 254),
    (b"a" * 255, b"\xff" + b"a" * 254 + b"\2a"),
    (b"a" * 254 + b"\0", b"\xff" + b"a" * 254 + b"\1\1"),
], ids=range(10))
def test_known_stuffing(data, stuffed):
    assert cobs.encode(data) == stuffed
    assert cobs.decode(stuffed) == data


@given(BYTES)
def test_stuffing_round_trip(data):
    stuffed = cobs.encode(data)
    assert 0 not in stuffed
    assert len(stuffed) <= len(data) + 1 + len(data) // 254
    assert cobs.decode(stuffed) == data


@pytest.mark.parametrize("data", [b"\0", b"\3a", b"\3a\0", b"\2a\5", b"\2\0"])
def test_torn_stuffing_is_refused(data):
    with pytest.raises(NhotError, match="Stuffed bytes must"):
        cobs.decode(data)


def test_the_documented_frame():
    """docs/protocol.md spells this one out."""
    request = Request(
        opcode=Opcode.WRITE, sequence=7, region=Region.ACTIVATIONS, address=0x0102, length=4,
        payload=b"\x10\x00\x20\x30",
    )
    body = bytes.fromhex("02 07 03 02 01 04 00 10 00 20 30")
    assert zlib.crc32(body) == 0x743D22DF
    frame = request.to_bytes()
    assert frame.hex(" ") == "07 02 07 03 02 01 04 02 10 07 20 30 df 22 3d 74 00"
    bare = Request(opcode=Opcode.STATUS, sequence=7)
    assert unseal(bare.to_bytes()[:-1]) == bytes([Opcode.STATUS, 7, 0, 0, 0, 0, 0])
    assert unseal(Request(opcode=Opcode.HELLO).to_bytes()[:-1]) == bytes([1, *[0] * 6])
    answer = Response(opcode=Opcode.WRITE, sequence=7)
    assert answer.to_bytes().hex(" ") == "03 82 07 05 3b 80 b1 52 00"


def test_numbers_on_the_wire_are_the_documented_ones():
    """Both sides take them from here, so that no other test would see them change."""
    text = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")

    def numbered(heading):
        table = text.split(heading)[1].split("\n\n")[0]
        rows = re.findall(r"^\| (\d+) \| (\w+)", table, re.MULTILINE)
        return {name: int(number) for number, name in rows}

    assert numbered("| opcode | request | payload of the answer |") == dict(Opcode.__members__)
    faults = numbered("| fault | |").values()
    assert list(faults) == list(Fault)
    words = {"requantisation": "requant"}
    regions = numbered("| number | region | a word, as written | a word, as read |")
    assert {words.get(name, name).upper(): number for name, number in regions.items()} == dict(
        Region.__members__)
    outcomes = text.split("| outcome | |")[1].split("\n\n")[0]
    numbers = re.findall(r"^\| (\d+) \|", outcomes, re.MULTILINE)
    assert list(map(int, numbers)) == list(Boot)
    assert f"magic: `{MAGIC.decode()}`" in text
    assert f"| {HEADER.size} | L | frames" in text
    statuses = ", ".join(f"{one:d} {one.name.replace('_', ' ')}" for one in Status)
    assert f"| status | 1 | {statuses} |" in text
    assert f"This is version {VERSION}." in text
    assert f"at most {MAX_PAYLOAD}; 0 if not used" in text
    assert f"queues {BUFFER_BYTES} bytes" in text
    assert f"`limit` times {LIMIT_CYCLES:,} cycles" in text
    assert Response(opcode=Opcode.RESET, sequence=0).to_bytes()[1] == 0x80 + Opcode.RESET


def plainly_stuffed(data: bytes) -> bytes:
    """COBS as its definition says it: split at the zeros, and each piece into runs of 254."""
    out = b""
    pieces = data.split(b"\0")
    for last, piece in zip([*[False] * (len(pieces) - 1), True], pieces, strict=True):
        while len(piece) >= 254 and not (last and len(piece) == 254):
            out += b"\xff" + piece[:254]
            piece = piece[254:]
        out += bytes([len(piece) + 1]) + piece
    return out


@pytest.mark.parametrize("before", [0, 1, 252, 253, 254, 255, 507, 508, 509])
@pytest.mark.parametrize("behind", [b"", b"\0", b"x", b"\0x", b"\0\0", b"x\0"])
def test_runs_around_their_longest(before, behind):
    data = bytes(1 + i % 255 for i in range(before)) + behind
    assert cobs.encode(data) == plainly_stuffed(data)
    assert cobs.decode(plainly_stuffed(data)) == data


@given(
    opcode=st.sampled_from(Opcode), sequence=st.integers(0, 255),
    region=st.sampled_from(Region), address=st.integers(0, 65535), payload=st.binary(max_size=256),
)
def test_request_round_trip(opcode, sequence, region, address, payload):
    request = Request(
        opcode=opcode, sequence=sequence, region=region, address=address, length=len(payload),
        payload=payload if opcode == Opcode.WRITE else b"",
    )
    frame = request.to_bytes()
    assert frame.index(0) == len(frame) - 1 < BUFFER_BYTES
    assert Request.from_bytes(frame[:-1]) == request


@given(
    opcode=st.sampled_from(Opcode), sequence=st.integers(0, 255), status=st.sampled_from(Status),
    payload=st.binary(max_size=256),
)
def test_response_round_trip(opcode, sequence, status, payload):
    response = Response(opcode=opcode, sequence=sequence, status=status, payload=payload)
    assert Response.from_bytes(response.to_bytes()[:-1]) == response


def test_every_flipped_bit_is_noticed():
    source = random.Random(5)
    frame = Response(opcode=Opcode.READ, sequence=9, payload=source.randbytes(20)).to_bytes()[:-1]
    for bit in range(8 * len(frame)):
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FrameError):
            Response.from_bytes(bytes(damaged))
    for length in range(len(frame)):
        with pytest.raises(FrameError):
            Response.from_bytes(frame[:length])


@pytest.mark.parametrize("body", [
    bytes([9, 0, 0, 0, 0, 0, 0]), bytes([3, 0, 5, 0, 0, 0, 0]), bytes([3, 0, 0, 0, 0, 1, 1]),
    bytes([2, 0, 0, 0, 0, 4, 0]) + b"abc", bytes([3, 0, 0, 0, 0, 4, 0]) + b"abcd", bytes(6),
])
def test_sound_frames_of_unknown_content_are_refused(body):
    assert unseal(seal(body)[:-1]) == body
    with pytest.raises(FrameError):
        Request.from_bytes(seal(body)[:-1])


@pytest.mark.parametrize("body", [bytes([0x88, 0, 0]), bytes([1, 0, 0]), bytes([0x81, 0, 3])])
def test_unknown_responses_are_refused(body):
    with pytest.raises(FrameError):
        Response.from_bytes(seal(body)[:-1])


@pytest.mark.parametrize(("values", "text"), [
    ({"sequence": 256}, "Request sequence must be 0 to 255, not 256"),
    ({"region": 5}, "Request region must be 0 to 4, not 5"),
    ({"address": -1}, "Request address must be 0 to 65535, not -1"),
    ({"length": 257}, "Request length must be 0 to 256, not 257"),
    ({"length": 3, "payload": b"ab"}, "Request payload must be 3 bytes long, not 2"),
])
def test_requests_are_checked(values, text):
    with pytest.raises(NhotError, match=text):
        Request(opcode=Opcode.WRITE, **values)


def test_payloads_of_answers():
    hello = Hello(version=1, target_id=0x89ABCDEF, max_payload=MAX_PAYLOAD)
    assert hello.to_bytes().hex() == "01efcdab890001"
    assert Hello.from_bytes(hello.to_bytes()) == hello
    state = State(
        busy=True, runs=3, cycles=0xFFFFFFFF, stalls=5, dropped=7, fault=Fault.ADDRESS, layer=9
    )
    assert state.to_bytes().hex() == "01030207ffffffff050000000900"
    assert State.from_bytes(state.to_bytes()) == state
    with pytest.raises(FrameError, match="Fault must be 0 to 3, not 4"):
        State.from_bytes(b"\0\0\4" + bytes(11))
    with pytest.raises(FrameError, match="Payload must be 14 bytes long, not 7"):
        State.from_bytes(hello.to_bytes())
