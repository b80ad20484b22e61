"""Whether an engine may be let to run a descriptor: each field, and the words that it touches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nhot.compiler.geometry import Geometry, Span
from nhot.contract.banks import conflicts
from nhot.contract.config import DEPTHWISE_KERNEL
from nhot.contract.program import Operation
from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.network.requant import MAX_TERMS
from nhot.network.terms import rounded_bytes

__all__ = ["Check"]

_STILL = (
    "step_x", "step_y", "stride_x", "stride_y", "column_step", "pad_x", "pad_y", "last_tap_x",
)
"""What additions and argmax, which walk tensors flat, leave at 0."""


@dataclass(frozen=True)
class Check(Geometry):
    """A descriptor, its engine, and how many words of weights and which records an image has."""

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
        written = self.written()
        self._within("output_address", written, self.config.activation_words)
        for read in self.read():
            self._within("input_address", read, self.config.activation_words)
            if read.first <= written.last and written.first <= read.last:
                raise NhotError(
                    f"output_address must keep what the layer writes apart from the words "
                    f"{read.first} to {read.last} that it reads, not {written.first} to "
                    f"{written.last}"
                )

    def _ranges(self) -> dict[str, tuple[int, int]]:
        """The least and the most of each field, where its bits alone do not say so."""
        step, config, array = self.step, self.config, self.array
        loop, words = (1 << config.loop_bits) - 1, config.activation_words - 1
        groups = self.lanes // config.requantisers
        none = (0, 0)
        ranges = {
            "terms": (1, MAX_TERMS), "per_channel": (int(array), int(array)),
            **dict.fromkeys(("last_word", "last_tile", "last_column", "last_row"), (0, loop)),
            "tail_pixels": (1, self.pixels), "tail_groups": (1, groups),
            **dict.fromkeys(("output_address", "pixel_words", "row_words"), (0, words)),
            "weight_address": (0, self.weights - 1) if array else none,
            "requant_address": (0, len(self.records) - 1),
            "channels": none, "activation_terms": (0, config.activation_terms),
            "one_pixel": (0, int(step.operation is Operation.ARRAY and config.pixels > 1)),
        }
        if step.operation in (Operation.ADD, Operation.ARGMAX):
            ranges |= dict.fromkeys(_STILL, none)
        else:
            moved = step.stride_x * self.pixels
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
        if self.operands and array:  # in one row
            columns = step.last_column * self.pixels + step.tail_pixels
            ranges |= {
                **dict.fromkeys(("last_row", "last_tap_x", "pad_x", "pad_y"), none),
                "stride_x": (1, 1), "width": (columns, columns), "height": (1, 1),
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
        if self.pixels > 1 and conflicts(distance, banks):
            raise NhotError(
                f"lane_step must be no multiple of {banks} for {self.pixels} pixels, not "
                f"{distance}"
            )

    def _check_jumps(self) -> None:
        """Addresses move as positions do, in distances that the engine keeps."""
        step, bits = self.step, self.config.distance_bits
        wanted = self.loops().jumps()
        if self.array:
            wanted["lane_step"] = step.stride_x * self.position_words
        if self.array and step.last_tile:
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
        words, last = self.position_words, self.last_word
        if last >= words:
            raise NhotError(
                f"jump_tile must keep tiles within the {words} words of a position, not lead to "
                f"word {last}"
            )

    def _check_positions(self) -> None:
        """A position that wraps would be in the input where it should be in the padding."""
        most = (1 << (self.config.position_bits - 1)) - 1
        y, x = self.last_position()
        for name, last, limit in (
            ("last_row", y, most), ("last_column", x, most),
            ("height", self.step.height - 1, most), ("width", self.step.width - 1, most),
            ("stride_x", (self.pixels - 1) * self.step.stride_x, 2 * most + 1),
        ):
            if last > limit:
                raise NhotError(f"{name} must lead to a position of at most {limit}, not {last}")

    def _check_records(self) -> None:
        step = self.step
        groups = self.lanes // self.config.requantisers
        count = step.last_tile * groups + step.tail_groups if self.array else step.records
        if step.requant_address % 2:
            raise NhotError(
                f"requant_address must be even, a record being two words, not "
                f"{step.requant_address}"
            )
        used = Span(step.requant_address, step.requant_address + 2 * count - 1)
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
        if self.array:
            step = self.step
            window = (step.last_word + 1) * (step.last_tap_x + 1) * (step.last_tap_y + 1)
            if step.operation is Operation.DEPTHWISE:
                window = 1  # all taps are in a word
            last = step.weight_address + (step.last_tile + 1) * window - 1
            self._within("weight_address", Span(step.weight_address, last), self.weights)

    def _within(self, name: str, span: Span, words: int) -> None:
        if span.last >= words:
            raise NhotError(
                f"{name} must be such that words {span.first} to {span.last} are within 0 to "
                f"{words - 1}"
            )
