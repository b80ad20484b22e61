"""The memory image: what a board is fed, as one file.

All numbers are little endian::

    offset  bytes  field
         0      4  magic, "NHOT"
         4      2  version
         6      2  flags, 0
         8      4  target id, of the engine the image is for
        12      4  number of sections
        16      4  total length in bytes
        20     32  SHA-256 of everything after this field
        52    12n  table: kind, length in bytes and CRC-32 of each section
         .      .  the sections, one after another, without gaps

There are five sections, each once, in the order of :class:`Section`. The same content always gives
the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TypeVar

import numpy as np

from nhot.compiler.meta import Meta
from nhot.compiler.validate import check_program
from nhot.contract.codes import pack_codes, unpack_codes
from nhot.contract.config import EngineConfig
from nhot.contract.cycles import program_cycles
from nhot.contract.program import DESCRIPTOR_WORDS
from nhot.errors import NhotError
from nhot.filetype import expect
from nhot.formats.format import Ints
from nhot.schema import parse_json

__all__ = ["MAGIC", "VERSION", "Image", "ImageError", "Section"]

MAGIC = b"NHOT"
VERSION = 2

Kind = TypeVar("Kind")

_HEADER = struct.Struct("<4sHHIII32s")
_ENTRY = struct.Struct("<III")
_HASHED = _HEADER.size


class ImageError(NhotError):
    """Bytes that are not a sound memory image; the text names the field that is wrong."""


class Section(IntEnum):
    """What the sections hold."""

    CONFIG = 1  # canonical JSON of the engine's sizes
    META = 2  # JSON about the network: tensors, layers
    PROGRAM = 3
    REQUANT = 4
    WEIGHTS = 5


@dataclass(frozen=True, kw_only=True)
class Image:
    """The contents of an engine's memories, and what they mean.

    Parameters
    ----------
    config : EngineConfig
        The engine the image is for.
    program, requant, weights : bytes
        Words from address 0 of the program, requantisation and weight memories as the host link
        takes them; whole words, at most as many as the memory has.
    meta : Meta
        About the network, for people and for the host; its layers are those of the program, and
        its tensors lie within the activation memory.
    """

    config: EngineConfig
    program: bytes
    requant: bytes
    weights: bytes
    meta: Meta

    def __post_init__(self) -> None:
        for what, word, depth in (
            ("program", 4, self.config.program_words),
            ("requant", 4 * self.config.requantisers, self.config.requant_words),
            ("weights", self.config.code_bytes, self.config.weight_words),
        ):
            data = getattr(self, what)
            if not isinstance(data, bytes):
                raise TypeError(f"Image {what} must be bytes, not {type(data).__name__}")
            if len(data) % word or len(data) > word * depth:
                raise ImageError(
                    f"Image {what} must be whole words of {word} bytes, at most {depth}, "
                    f"not {len(data)} bytes"
                )
        _check_codes(self.weights, self.config)
        self._check_meta()
        self._check_program()

    def _check_meta(self) -> None:
        if not isinstance(self.meta, Meta):
            raise TypeError(f"Image meta must be a Meta, not {type(self.meta).__name__}")
        layers, size = len(self.meta.layers), 4 * DESCRIPTOR_WORDS
        if len(self.program) != size * (layers + 1):
            raise ImageError(
                f"Image program must be {layers + 1} descriptors of {size} bytes, of the {layers} "
                f"layers in meta and END, not {len(self.program)} bytes"
            )
        try:
            self.meta.check(self.config)
        except NhotError as error:
            raise ImageError(f"Image meta {error}") from None

    def _check_program(self) -> None:
        words = len(self.weights) // self.config.code_bytes
        try:
            steps = check_program(self.program, self.config, weights=words, records=self.records())
        except NhotError as error:
            raise ImageError(f"Image {error}") from None
        cycles = program_cycles(steps, self.config)
        for index, layer in enumerate(self.meta.layers):
            if layer.cycles != cycles[index]:
                raise ImageError(
                    f"Image meta layers[{index}].cycles must be those of its descriptor, "
                    f"{cycles[index]}, not {layer.cycles}; compile it again"
                )

    def records(self) -> Ints:
        """The words of the requantisation memory, biases and terms by turns. (words, R) int64"""
        words = np.frombuffer(self.requant, "<u4").reshape(-1, self.config.requantisers)
        return words.astype(np.int64)

    def weight_levels(self) -> Ints:
        """The weights as the array reads them: levels (words, P, S)."""
        return self.config.weight_format.decode(_codes(self.weights, self.config))

    def weight_fields(self) -> Ints:
        """The lane fields that the weight memory holds once loaded.

        (words, P, S), or with the signs of the steps (words, P, S + 1).
        """
        return self.config.weight_format.to_fields(self.weight_levels())

    @property
    def content_hash(self) -> str:
        """SHA-256 of the image, the same for the same content. 64 hex digits"""
        return self.to_bytes()[_HASHED - 32 : _HASHED].hex()

    def to_bytes(self) -> bytes:
        """The image as a file has it; the same bytes for the same content."""
        sections = {
            Section.CONFIG: self.config.to_json().encode(),
            Section.META: self.meta.to_json().encode(),
            Section.PROGRAM: self.program,
            Section.REQUANT: self.requant,
            Section.WEIGHTS: self.weights,
        }
        table = b"".join(
            _ENTRY.pack(kind, len(data), zlib.crc32(data)) for kind, data in sections.items()
        )
        body = table + b"".join(sections.values())
        digest = hashlib.sha256(body).digest()
        length = _HEADER.size + len(body)
        fields = (MAGIC, VERSION, 0, self.config.target_id, len(sections), length, digest)
        return _HEADER.pack(*fields) + body

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Image:
        """The image in a file; any other file is refused by what it is."""
        expect(path, "image")
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise NhotError(f"File {str(path)!r} could not be read: {error.strerror}") from None
        try:
            return cls.from_bytes(data)
        except ImageError as error:
            raise ImageError(f"File {str(path)!r}: {error}") from None

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> Image:
        """Read what :meth:`to_bytes` wrote.

        Anything else is refused with an :class:`ImageError` that names the field: foreign, newer,
        truncated, lengthened or flipped bytes. Nothing is allocated from a length that has not been
        checked against the bytes that are there.
        """
        data = bytes(data)
        target = _check_header(data)
        sections = _split(data)
        config = _read_section(EngineConfig, sections[Section.CONFIG], "Image config")
        if config.target_id != target:
            raise ImageError(
                f"Image target id must be that of its engine, {config.target_id:#010x}, "
                f"not {target:#010x}"
            )
        image = cls(
            config=config,
            program=sections[Section.PROGRAM],
            requant=sections[Section.REQUANT],
            weights=sections[Section.WEIGHTS],
            meta=_read_section(Meta, sections[Section.META], "Image meta"),
        )
        if image.to_bytes() != data:  # a second spelling of the same JSON
            raise ImageError("Image sections must be in canonical form")
        return image

    def check_target(self, config: EngineConfig) -> None:
        """Refuse a board other than the one this image was compiled for; the text names why."""
        if config == self.config:
            return
        differ = [
            f"{name} {getattr(self.config, name)!r} (board: {getattr(config, name)!r})"
            for name in EngineConfig.__dataclass_fields__
            if getattr(self.config, name) != getattr(config, name)
        ]
        raise ImageError(
            f"Image target id must be the board's, {config.target_id:#010x}, "
            f"not {self.config.target_id:#010x}: compiled for {', '.join(differ)}"
        )


def _codes(weights: bytes, config: EngineConfig) -> Ints:
    """The codes of weight words: (words, P, S), or with the signs of the steps (words, P, S + 1)"""
    codes = unpack_codes(weights, config.weight_format.code_bits, config.word_codes)
    return codes.reshape(-1, config.filters, config.word_codes // config.filters)


def _check_codes(weights: bytes, config: EngineConfig) -> None:
    """Refuse weights that are not codes of the engine's format, and padding that is not 0."""
    fmt = config.weight_format
    codes = _codes(weights, config)
    try:
        fmt.decode(codes)
    except NhotError as error:
        raise ImageError(f"Image weights: {error}") from None
    if pack_codes(codes.reshape(-1, config.word_codes), fmt.code_bits) != weights:
        raise ImageError("Image weights must have padding bits of 0")


def _check_header(data: bytes) -> int:
    """Check the header and the hash; the target id."""
    if data[:4] != MAGIC[: len(data[:4])] or not data:
        raise ImageError(f"Image magic must be {MAGIC!r}, not {bytes(data[:4])!r}")
    if len(data) < _HEADER.size:
        raise ImageError(f"Image header must have {_HEADER.size} bytes, not {len(data)}")
    _, version, flags, target, count, length, digest = _HEADER.unpack_from(data)
    if version != VERSION:
        remedy = "this image needs a newer nhot" if version > VERSION else "compile it again"
        raise ImageError(f"Image version must be {VERSION}, not {version}; {remedy}")
    if flags:
        raise ImageError(f"Image flags must be 0, not {flags:#x}")
    if count != len(Section):
        raise ImageError(f"Image number of sections must be {len(Section)}, not {count}")
    if length != len(data):
        short = "; the file is truncated" if length > len(data) else ""
        raise ImageError(
            f"Image total length must be that of the file, {len(data)}, not {length}{short}"
        )
    if hashlib.sha256(data[_HASHED:]).digest() != digest:
        raise ImageError("Image content hash must match its content")
    return int(target)


def _split(data: bytes) -> dict[Section, bytes]:
    start = _HEADER.size + len(Section) * _ENTRY.size
    if len(data) < start:
        raise ImageError(f"Image section table must end at byte {start}, not {len(data)}")
    sections: dict[Section, bytes] = {}
    for index, kind in enumerate(Section):
        got, length, crc = _ENTRY.unpack_from(data, _HEADER.size + index * _ENTRY.size)
        if got != kind:
            raise ImageError(f"Image section {index} must be of kind {kind:d}, not {got}")
        if length > len(data) - start:
            raise ImageError(
                f"Image section {kind.name.lower()} must have at most the "
                f"{len(data) - start} bytes that are left, not {length}"
            )
        sections[kind] = data[start : start + length]
        if zlib.crc32(sections[kind]) != crc:
            raise ImageError(f"Image section {kind.name.lower()} must match its CRC {crc:#010x}")
        start += length
    if start != len(data):
        raise ImageError(f"Image sections must end with the file, {len(data)}, not at {start}")
    return sections


def _read_section(kind: type[Kind], data: bytes, what: str) -> Kind:
    try:
        return parse_json(kind, data, what)
    except NhotError as error:
        raise ImageError(str(error)) from None
