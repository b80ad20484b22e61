"""The program of an engine: one descriptor a layer, and what its fields mean.

A descriptor drives six nested loops, outermost first::

    tile, row, column, kernel y, kernel x, word

Each step reads one activation word (S channels of one input position) and, for the array, one
weight word. No address is ever multiplied: a running address moves by one *jump* a step, and which
jump depends on the outermost loop that wraps. Counts are stored minus one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np

from nhot.errors import NhotError

__all__ = [
    "DESCRIPTOR_WORDS", "FIELDS", "LIMIT_CYCLES", "MAX_PAYLOAD", "Descriptor", "Fault",
    "Operation", "Region", "unpack_program",
]

MAX_PAYLOAD = 256
"""Most bytes of data in a frame of the host protocol: a word that is longer cannot be loaded."""

LIMIT_CYCLES = 1 << 16
"""Unit of the limit that a host gives with a run: its most cycles."""


class Region(IntEnum):
    """Memories that the host can address."""

    PROGRAM = 0
    REQUANT = 1
    WEIGHTS = 2
    ACTIVATIONS = 3
    TIMING = 4


class Operation(IntEnum):
    """What a descriptor asks for."""

    END = 0
    ARRAY = 1  # convolution or dense layer: sums over the window, P filters a tile
    MAX = 2  # largest of the window, S channels a tile
    SUM = 3  # sum of the window, S channels a tile
    ADD = 4  # two taps, requantised apart and added, S channels a tile
    ARGMAX = 5  # index of the largest channel, one position a row
    DEPTHWISE = 6  # nine taps of a channel for the lanes of its filter, P filters a tile

    @property
    def on_lanes(self) -> bool:
        """Whether lanes add up with weights, rather than the window unit without."""
        return self in (Operation.ARRAY, Operation.DEPTHWISE)


class Fault(IntEnum):
    """Why an engine ended a run before its END."""

    NONE = 0  # it did not
    PROGRAM = 1  # a descriptor that it cannot run, or a program without END
    ADDRESS = 2  # an address beyond a memory
    CYCLES = 3  # more cycles than the host allowed


WORDS: tuple[dict[str, int], ...] = (
    {"operation": 4, "terms": 4, "pad_value": 8, "zero_point": 8, "per_channel": 1,
     "one_pixel": 1, "activation_terms": 3},
    {"low": 8, "high": 8, "channels": 16},
    {"input_address": 16, "output_address": 16},
    {"weight_address": 16, "requant_address": 16},
    {"last_word": 12, "last_tile": 12, "tail_pixels": 8},
    {"last_tap_x": 8, "last_tap_y": 8, "step_x": 8, "step_y": 8},
    {"last_column": 16, "last_row": 16},
    {"pad_x": 8, "pad_y": 8, "stride_x": 8, "stride_y": 8},
    {"width": 16, "height": 16},
    {"column_step": 16, "lane_step": 16},
    {"jump_x": 16, "jump_y": 16},
    {"jump_column": 16, "jump_row": 16},
    {"jump_tile": 16, "pixel_words": 16},
    {"tail_groups": 16, "row_words": 16},
)
"""Fields of each 32-bit word of a descriptor, low bits first, with their widths."""

FIELDS = {name: width for word in WORDS for name, width in word.items()}
"""Every field and its width in bits."""

DESCRIPTOR_WORDS = len(WORDS)

_SIGNED = {"pad_value", "zero_point", "low", "high"}
_MODULAR = {"jump_x", "jump_y", "jump_column", "jump_row", "jump_tile"}


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """One layer for the engine.

    Parameters
    ----------
    operation : Operation
    terms : int
        Terms a multiplier may have in this layer, 1 to 4: cycles a requantisation takes.
    pad_value : int
        What a tap outside the input reads.
    zero_point, low, high : int
        Of the output, as stored (signed 8 bits).
    per_channel : int
        1: each group of R outputs has its own requantisation record; 0: all share one.
    one_pixel : int
        1: columns of the array have one pixel each, whatever T, as its words lie so that T pixels
        could not read theirs in the same cycle.
    activation_terms : int
        Signed powers of two that an output less its zero point is rounded to, once it is clamped; 0
        for none of it.
    channels : int
        Valid channels of an argmax.
    input_address, output_address, weight_address, requant_address : int
        First word in each memory.
    last_word, last_tap_x, last_tap_y, last_column, last_row, last_tile : int
        Loop counts minus one.
    tail_pixels : int
        Valid pixels in the last column, 1 to T.
    step_x, step_y : int
        Dilation: how far a tap moves the input position. Of a DEPTHWISE layer ``step_x`` is the
        stride of its outputs, 1 or 2; columns of its input are all read.
    pad_x, pad_y : int
        Left and top padding.
    stride_x, stride_y, column_step : int
        How far a pixel, a row and a column (T pixels) move the input position.
    width, height : int
        Input size, for padding.
    lane_step : int
        Words between the inputs of neighbouring pixels.
    jump_x, jump_y, jump_column, jump_row, jump_tile : int
        What the running address moves by when that loop advances, modulo 2**16.
    pixel_words : int
        Words between output pixels.
    tail_groups : int
        Groups of R outputs in the last tile.
    row_words : int
        Words from the last output pixel of a row to the first of the next one; 0 for as many as
        between pixels.
    """

    operation: Operation
    terms: int = 1
    pad_value: int = 0
    zero_point: int = 0
    per_channel: int = 0
    one_pixel: int = 0
    activation_terms: int = 0
    low: int = -128
    high: int = 127
    channels: int = 0
    input_address: int = 0
    output_address: int = 0
    weight_address: int = 0
    requant_address: int = 0
    last_word: int = 0
    last_tile: int = 0
    tail_pixels: int = 1
    last_tap_x: int = 0
    last_tap_y: int = 0
    step_x: int = 1
    step_y: int = 1
    last_column: int = 0
    last_row: int = 0
    pad_x: int = 0
    pad_y: int = 0
    stride_x: int = 1
    stride_y: int = 1
    width: int = 1
    height: int = 1
    column_step: int = 1
    lane_step: int = 0
    jump_x: int = 0
    jump_y: int = 0
    jump_column: int = 0
    jump_row: int = 0
    jump_tile: int = 0
    pixel_words: int = 1
    tail_groups: int = 1
    row_words: int = 0

    def __post_init__(self) -> None:
        for name, width in FIELDS.items():
            if name in _MODULAR:
                continue
            value = int(getattr(self, name))
            low = -(1 << (width - 1)) if name in _SIGNED else 0
            high = (1 << (width - (name in _SIGNED))) - 1
            if not low <= value <= high:
                raise NhotError(f"Descriptor field {name} must be {low} to {high}, not {value}")

    @property
    def records(self) -> int:
        """Requantisation records an output needs: two for the two operands of an addition."""
        return 2 if self.operation is Operation.ADD else 1

    def pixels(self, most: int) -> int:
        """Pixels of a column, of an engine with T = ``most``."""
        return most if self.operation.on_lanes and not self.one_pixel else 1

    def pack(self) -> bytes:
        """The descriptor as :data:`DESCRIPTOR_WORDS` little-endian 32-bit words."""
        words = []
        for word in WORDS:
            value, position = 0, 0
            for name, width in word.items():
                value |= (int(getattr(self, name)) & ((1 << width) - 1)) << position
                position += width
            words.append(value)
        return np.array(words, dtype="<u4").tobytes()

    @classmethod
    def unpack(cls, data: bytes) -> Descriptor:
        """The inverse of :meth:`pack`; jumps come back as 0 to 2**16 - 1."""
        values: dict[str, int] = {}
        for word, raw in zip(WORDS, np.frombuffer(data, dtype="<u4").tolist(), strict=True):
            position = 0
            for name, width in word.items():
                value = (raw >> position) & ((1 << width) - 1)
                if name in _SIGNED and value >> (width - 1):
                    value -= 1 << width
                values[name] = value
                position += width
        operation = values.pop("operation")
        if operation > max(Operation):
            raise NhotError(
                f"Descriptor operation must be 0 to {max(Operation):d}, not {operation}"
            )
        return cls(operation=Operation(operation), **values)


def unpack_program(data: bytes) -> list[Descriptor]:
    """The descriptors of a program, its END included."""
    size = 4 * DESCRIPTOR_WORDS
    return [Descriptor.unpack(data[i : i + size]) for i in range(0, len(data), size)]


assert {field.name for field in fields(Descriptor)} == set(FIELDS)
