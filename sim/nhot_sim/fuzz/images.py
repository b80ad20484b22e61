"""Damaged images: raw ones, and ones whose lengths, checksums and hash are right again."""

from __future__ import annotations

import hashlib
import json
import random
import struct
import zlib
from argparse import Namespace
from functools import cached_property

import numpy as np

from nhot.compiler import EngineConfig, Image, Machine, compile_network
from nhot.compiler.image import MAGIC, VERSION, Section
from nhot.contract.cycles import program_cycles
from nhot.contract.program import unpack_program
from nhot.testing.networks import random_network
from nhot_sim.fuzz.kind import Kind, refused_or_done
from nhot_sim.fuzz.mutate import damage, damage_json
from nhot_sim.fuzz.scratch import scratch_file

__all__ = ["ENTRY", "HEADER", "Images", "forge", "split"]

HEADER = 52
ENTRY = 12
_MOST_CYCLES = 20_000
_TEXTS = (Section.CONFIG, Section.META)


def split(data: bytes) -> list[tuple[int, bytes]]:
    """The sections of a sound image: kind and bytes of each."""
    found, start = [], HEADER + len(Section) * ENTRY
    for index in range(len(Section)):
        kind, length, _ = struct.unpack_from("<III", data, HEADER + index * ENTRY)
        found.append((kind, data[start : start + length]))
        start += length
    return found


def forge(
    parts: list[tuple[int, bytes]], *, target: int, magic: bytes = MAGIC, version: int = VERSION,
    flags: int = 0, count: int | None = None,
) -> bytes:
    """An image of any sections, with right lengths, checksums and hash."""
    table = b"".join(struct.pack("<III", kind, len(d), zlib.crc32(d)) for kind, d in parts)
    body = table + b"".join(data for _, data in parts)
    count = len(parts) if count is None else count
    head = struct.pack("<4sHHIII", magic, version, flags, target, count, HEADER + len(body))
    return head + hashlib.sha256(body).digest() + body


class Images(Kind):
    """Read as ``nhot info`` reads them; what is accepted is what the bytes say, and can run."""

    @cached_property
    def _originals(self) -> list[bytes]:
        made = []
        for seed, fmt in enumerate(("2hot", "signed-binary", "signed-binary/4", "int8")):
            config = EngineConfig(
                filters=4, inputs=2, requantisers=2, format=fmt, activation_words=2048,
                weight_words=2048,
            )
            network = random_network(seed, layers=3, formats=(config.weight_format,))
            made.append(compile_network(network, config).to_bytes())
        return made

    def case(self, source: random.Random) -> bytes:
        """One section changed and the rest made right again, mostly; else raw damage."""
        data = source.choice(self._originals)
        if source.random() < 0.2:
            return damage(data, source)
        parts = split(data)
        index = source.randrange(len(parts))
        kind, content = parts[index]
        changed = damage_json(content, source) if kind in _TEXTS else damage(content, source)
        if kind in _TEXTS:
            changed = _canonical(changed)
        parts[index] = (kind, changed)
        forged = forge(parts, target=_target(parts, data))
        return forged if source.random() < 0.9 else _with_wrong_table(forged, source)

    def check(self, data: bytes) -> bool:
        """``nhot info``, and the way back to the same bytes."""
        from nhot.cli import info

        def act() -> None:
            info.run(Namespace(file=path, json=False))
            image = Image.from_bytes(data)
            assert image.to_bytes() == data
            if sum(program_cycles(unpack_program(image.program), image.config)) < _MOST_CYCLES:
                Machine(image).run(np.zeros(image.meta.input.shape, np.int64))

        with scratch_file(data, ".img") as path:
            return refused_or_done(act)


def _with_wrong_table(data: bytes, source: random.Random) -> bytes:
    """A kind, length or checksum changed, under a hash that is right."""
    at = HEADER + 4 * source.randrange(3 * len(Section))
    word = struct.pack("<I", source.choice([0, 1, len(data), 1 << 31, (1 << 32) - 1]))
    body = data[HEADER:at] + word + data[at + 4 :]
    return data[: HEADER - 32] + hashlib.sha256(body).digest() + body


def _canonical(text: bytes) -> bytes:
    """JSON as an image spells it, so that the values are looked at, not the spelling."""
    try:
        values = json.loads(text)
        return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, TypeError, RecursionError):
        return text


def _target(parts: list[tuple[int, bytes]], original: bytes) -> int:
    """The id of the engine that the sections name, if they name one."""
    try:
        return EngineConfig(**json.loads(dict(parts)[Section.CONFIG])).target_id
    except (ValueError, TypeError, AttributeError, RecursionError):
        return int(struct.unpack_from("<I", original, 8)[0])
