"""Whether an engine may be let to run a descriptor: each field, and the words that it touches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nhot.compiler.schedule import Loops
from nhot.contract.banks import conflicts
from nhot.contract.config import DEPTHWISE_KERNEL, EngineConfig
from nhot.contract.cycles import leading_columns
from nhot.contract.program import Descriptor, Operation
from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.network.requant import MAX_TERMS
from nhot.network.terms import rounded_bytes

__all__ = ["Check"]

_STILL = (
    "step_x", "step_y", "stride_x", "stride_y", "column_step", "pad_x", "pad_y", "last_tap_x",
)
"""What additions and argmax, which walk tensors flat, leave at 0."""


class _Span(NamedTuple):
    """Words of a memory, from the first to the last."""

    first: int
    last: int


@dataclass(frozen=True)
class Check:
    """A descriptor, its engine, and how many words of weights and which records an image has."""

    step: Descriptor
    config: EngineConfig
    weights: int
    records: Ints

    def run(self) -> None:
        """Refuse what is wrong; fields first, since all else counts on them."""
        if self.step.operation is Operation.DEPTHWISE and not self.config.depthwise:
            raise NhotError("operation must be one of an engine without depthwise, not DEPTHWISE")
        for name, (low, high) in self._ranges().items():
            value = int(getattr(self.step, name))
            if not low <= value <= high:
                allowed = f"{low} to {high}" if low < high else f"{high}"
                raise NhotError(f"{name} must be {allowed}, not {value}")
        self._check_columns()
        self._check_rounding()
        self._check_banks()
        self._check_jumps()
        self._check_positions()
        self._check_records()
        self._check_weights()
        written = self._written()
        self._within("output_address", written, self.config.activation_words)
        for read in self._read():
            self._within("input_address", read, self.config.activation_words)
            if read.first <= written.last and written.first <= read.last:
                raise NhotError(
                    f"output_address must keep what the layer writes apart from the words "
                    f"{read.first} to {read.last} that it reads, not {written.first} to "
                    f"{written.last}"
                )

    @property
    def _array(self) -> bool:
        return self.step.operation.on_lanes

    @property
    def _pixels(self) -> int:
        return self.step.pixels(self.config.pixels)

    @property
    def _lanes(self) -> int:
        """Outputs of a tile."""
        return self.config.filters if self._array else self.config.inputs

    @property
    def _position_words(self) -> int:
        """Words of an input position."""
        step = self.step
        if self._array:  # neighbouring pixels are a stride apart
            return step.lane_step // step.stride_x
        return (step.last_column if step.operation is Operation.ARGMAX else step.last_tile) + 1

    def _ranges(self) -> dict[str, tuple[int, int]]:
        """The least and the most of each field, where its bits alone do not say so."""
        step, config, array = self.step, self.config, self._array
        loop, words = (1 << config.loop_bits) - 1, config.activation_words - 1
        groups = self._lanes // config.requantisers
        none = (0, 0)
        ranges = {
            "terms": (1, MAX_TERMS), "per_channel": (int(array), int(array)),
            **dict.fromkeys(("last_word", "last_tile", "last_column", "last_row"), (0, loop)),
            "tail_pixels": (1, self._pixels), "tail_groups": (1, groups),
            **dict.fromkeys(("output_address", "pixel_words", "row_words"), (0, words)),
            "weight_address": (0, self.weights - 1) if array else none,
            "requant_address": (0, len(self.records) - 1),
            "channels": none, "activation_terms": (0, config.activation_terms),
            "one_pixel": (0, int(step.operation is Operation.ARRAY and config.pixels > 1)),
        }
        if step.operation in (Operation.ADD, Operation.ARGMAX):
            ranges |= dict.fromkeys(_STILL, none)
        else:
            moved = step.stride_x * self._pixels
            ranges["column_step"] = (moved, moved)
        if array:
            ranges["stride_x"] = (1, 255)
        else:
            ranges |= {"last_word": none, "lane_step": none}
        if step.operation is Operation.DEPTHWISE:
            most = 2 if config.pixels == 1 or config.pixels % 2 == 0 else 1
            ranges |= {
                "last_word": none, "last_tap_x": none,
                "last_tap_y": (DEPTHWISE_KERNEL - 1, DEPTHWISE_KERNEL - 1), "stride_x": (1, 1),
                "step_x": (1, most), "last_column": (config.preloads, loop),
            }
        if step.operation is Operation.ADD:
            columns, rows = step.last_column + 1, step.last_row + 1
            ranges |= {"last_tap_y": (1, 1), "width": (columns, columns), "height": (rows, rows)}
        if step.operation is Operation.ARGMAX:
            spare = step.last_column * config.inputs
            ranges |= {
                "last_tap_y": none, "last_tile": none, "tail_groups": (groups, groups),
                "channels": (spare + 1, spare + config.inputs), "row_words": none,
                "activation_terms": none,
            }
        return ranges

    def _check_columns(self) -> None:
        """The last column of a depthwise layer must be an output: with it the layer ends."""
        step, config = self.step, self.config
        if step.operation is not Operation.DEPTHWISE:
            return
        if config.pixels == 1 and step.last_column % step.step_x:  # behind two that are only read
            raise NhotError(
                f"last_column must be {config.preloads} and a multiple of {step.step_x}, not "
                f"{step.last_column}"
            )

    def _check_rounding(self) -> None:
        """What is rounded must have sums of few terms within a byte, on either side."""
        step = self.step
        for name in ("low", "high"):
            value = int(getattr(step, name))
            ends = np.array([value])
            rounded = int(rounded_bytes(ends, step.zero_point, step.activation_terms)[0])
            if not -128 <= rounded <= 127:
                raise NhotError(
                    f"{name} must be rounded to -128 to 127, not {value} to {rounded}"
                )

    def _check_banks(self) -> None:
        """Pixels of a column read their words in the same cycle, each from a bank of its own."""
        banks, distance = self.config.banks, self.step.lane_step
        if self._pixels > 1 and conflicts(distance, banks):
            raise NhotError(
                f"lane_step must be no multiple of {banks} for {self._pixels} pixels, not "
                f"{distance}"
            )

    def _check_jumps(self) -> None:
        """Addresses move as positions do, in distances that the engine keeps."""
        step, bits = self.step, self.config.distance_bits
        wanted = self._loops().jumps()
        if self._array:
            wanted["lane_step"] = step.stride_x * self._position_words
        if self._array and step.last_tile:
            del wanted["jump_tile"]  # what a tile reads may lie behind what the one before does
        for name, value in wanted.items():
            value &= 0xFFFF
            if getattr(step, name) != value:
                raise NhotError(f"{name} must be {value}, not {getattr(step, name)}")
        self._check_tiles()
        most = 1 << (bits - 1)
        for name in ("input_address", "jump_x", "jump_y", "jump_column", "jump_row", "jump_tile"):
            value = getattr(step, name)
            value -= value >> 15 << 16
            if not -most <= value < most:
                raise NhotError(f"{name} must be a distance of {-most} to {most - 1}, not {value}")

    def _check_tiles(self) -> None:
        """Every tile of the array reads words of a position, at a constant distance."""
        words, last = self._position_words, self._last_word
        if last >= words:
            raise NhotError(
                f"jump_tile must keep tiles within the {words} words of a position, not lead to "
                f"word {last}"
            )

    @property
    def _last_word(self) -> int:
        """Words from the first that the first tile reads of a position to the last of the last."""
        step = self.step
        if not self._array:
            return self._position_words - 1
        # The loops are those of tiles that all read the same.
        distance = (step.jump_tile - self._loops().jumps()["jump_tile"]) & 0xFFFF
        return step.last_tile * distance + step.last_word

    def _loops(self) -> Loops:
        """The walk that the other fields ask for."""
        step, words = self.step, self._position_words
        row = step.width * words
        tap, rows, columns = (
            (step.step_y * row, step.step_x * words), step.stride_y * row,
            step.column_step * words,
        )
        if step.operation is Operation.ADD:  # the other operand is wherever its jump leads
            tap, rows, columns = (step.jump_y, 0), row, words
        if step.operation is Operation.ARGMAX:
            rows, columns = words, 1
        return Loops(
            words=step.last_word + 1, kernel=(step.last_tap_y + 1, step.last_tap_x + 1),
            rows=step.last_row + 1, columns=step.last_column + 1, tiles=step.last_tile + 1,
            step_tap=tap, step_row=rows, step_column=columns, step_tile=int(not self._array),
        )

    def _last_position(self) -> tuple[int, int]:
        """Row and column of the last tap of the last column's first pixel."""
        step = self.step
        return (
            step.last_row * step.stride_y + step.last_tap_y * step.step_y - step.pad_y,
            step.last_column * step.column_step + step.last_tap_x * step.step_x - step.pad_x,
        )

    def _check_positions(self) -> None:
        """A position that wraps would be in the input where it should be in the padding."""
        most = (1 << (self.config.position_bits - 1)) - 1
        y, x = self._last_position()
        for name, last, limit in (
            ("last_row", y, most), ("last_column", x, most),
            ("height", self.step.height - 1, most), ("width", self.step.width - 1, most),
            ("stride_x", (self._pixels - 1) * self.step.stride_x, 2 * most + 1),
        ):
            if last > limit:
                raise NhotError(f"{name} must lead to a position of at most {limit}, not {last}")

    def _check_records(self) -> None:
        step = self.step
        groups = self._lanes // self.config.requantisers
        count = step.last_tile * groups + step.tail_groups if self._array else step.records
        if step.requant_address % 2:
            raise NhotError(
                f"requant_address must be even, a record being two words, not "
                f"{step.requant_address}"
            )
        used = _Span(step.requant_address, step.requant_address + 2 * count - 1)
        self._within("requant_address", used, len(self.records))
        first = step.requant_address // 2
        terms = self.records[1::2][first : first + count]
        bad = (terms >> (8 * step.terms) != 0) | (terms & 0x2020_2020 != 0)
        if bad.any():
            raise NhotError(
                f"terms must be as many as its records have, bits 5 of them 0, not {step.terms} "
                f"for {int(terms[bad][0]):#010x}"
            )

    def _check_weights(self) -> None:
        if self._array:
            step = self.step
            window = (step.last_word + 1) * (step.last_tap_x + 1) * (step.last_tap_y + 1)
            if step.operation is Operation.DEPTHWISE:
                window = 1  # all taps are in a word
            last = step.weight_address + (step.last_tile + 1) * window - 1
            self._within("weight_address", _Span(step.weight_address, last), self.weights)

    def _read(self) -> Iterator[_Span]:
        """Words from the first to the last that a tap inside the input may read."""
        step, words = self.step, self._position_words
        if step.operation in (Operation.ADD, Operation.ARGMAX):
            size = (step.last_row + 1) * self._loops().step_row
            for tap in (0, step.jump_y):  # an argmax has one, and no jump
                first = (step.input_address + tap) & 0xFFFF
                yield _Span(first, first + size - 1)
            return
        y, x = self._last_position()
        x += (self._pixels - 1) * step.stride_x
        if x >= 0 and y >= 0:  # else all taps are in the padding
            padding = (step.pad_y * step.width + step.pad_x) * words
            first = (step.input_address + padding) & 0xFFFF
            position = min(y, step.height - 1) * step.width + min(x, step.width - 1)
            yield _Span(first, first + position * words + self._last_word)

    def _written(self) -> _Span:
        step = self.step
        if step.operation is Operation.ARGMAX:
            return _Span(step.output_address, step.output_address + step.last_row)
        columns = (step.last_column - leading_columns(step, self.config)) * self._pixels
        stride = step.step_x if step.operation is Operation.DEPTHWISE else 1
        row = (-(-(columns + step.tail_pixels) // stride) - 1) * step.pixel_words
        rows = step.last_row * (row + (step.row_words or step.pixel_words))
        outputs = step.last_tile * self._lanes + step.tail_groups * self.config.requantisers
        last = rows + row + (outputs - 1) // self.config.inputs
        return _Span(step.output_address, step.output_address + last)

    def _within(self, name: str, span: _Span, words: int) -> None:
        if span.last >= words:
            raise NhotError(
                f"{name} must be such that words {span.first} to {span.last} are within 0 to "
                f"{words - 1}"
            )
