"""What a descriptor walks over: its loops, and the words that it reads and writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from nhot.compiler.schedule import Loops
from nhot.contract.config import EngineConfig
from nhot.contract.cycles import leading_columns
from nhot.contract.program import Descriptor, Operation

__all__ = ["Geometry", "Span"]


class Span(NamedTuple):
    """Words of a memory, from the first to the last."""

    first: int
    last: int


@dataclass(frozen=True)
class Geometry:
    """A descriptor and its engine."""

    step: Descriptor
    config: EngineConfig

    @property
    def array(self) -> bool:
        """Whether lanes do it."""
        return self.step.operation.on_lanes

    @property
    def operands(self) -> bool:
        """Whether the taps are two operands, each wherever the jump to it leads."""
        step = self.step
        still = step.operation is Operation.ARRAY and not step.step_y and step.last_tap_y == 1
        return still or step.operation is Operation.ADD

    @property
    def pixels(self) -> int:
        """Pixels of a column."""
        return self.step.pixels(self.config.pixels)

    @property
    def lanes(self) -> int:
        """Outputs of a tile."""
        return self.config.filters if self.array else self.config.inputs

    @property
    def position_words(self) -> int:
        """Words of an input position."""
        step = self.step
        if self.array:  # neighbouring pixels are a stride apart
            return step.lane_step // step.stride_x
        return (step.last_column if step.operation is Operation.ARGMAX else step.last_tile) + 1

    @property
    def last_word(self) -> int:
        """Words from the first that the first tile reads of a position to the last of the last."""
        step = self.step
        if not self.array:
            return self.position_words - 1
        # The loops are those of tiles that all read the same.
        distance = (step.jump_tile - self.loops().jumps()["jump_tile"]) & 0xFFFF
        return step.last_tile * distance + step.last_word

    def loops(self) -> Loops:
        """The walk that the other fields ask for."""
        step, words = self.step, self.position_words
        row = step.width * words
        tap, rows, columns = (
            (step.step_y * row, step.step_x * words), step.stride_y * row,
            step.column_step * words,
        )
        if self.operands:
            tap = (step.jump_y + step.last_word, 0)
        if step.operation is Operation.ADD:
            rows, columns = row, words
        if step.operation is Operation.ARGMAX:
            rows, columns = words, 1
        return Loops(
            words=step.last_word + 1, kernel=(step.last_tap_y + 1, step.last_tap_x + 1),
            rows=step.last_row + 1, columns=step.last_column + 1, tiles=step.last_tile + 1,
            step_tap=tap, step_row=rows, step_column=columns, step_tile=int(not self.array),
        )

    def last_position(self) -> tuple[int, int]:
        """Row and column of the last tap of the last column's first pixel."""
        step = self.step
        return (
            step.last_row * step.stride_y + step.last_tap_y * step.step_y - step.pad_y,
            step.last_column * step.column_step + step.last_tap_x * step.step_x - step.pad_x,
        )

    def read(self) -> Iterator[Span]:
        """Words from the first to the last that a tap inside the input may read."""
        step, words = self.step, self.position_words
        if self.operands or step.operation is Operation.ARGMAX:
            loops = self.loops()
            size = loops.rows * loops.step_row if not self.array else step.width * words
            for tap in (0, loops.step_tap[0]):  # an argmax has one, and no jump
                first = (step.input_address + tap) & 0xFFFF
                yield Span(first, first + size - 1)
            return
        y, x = self.last_position()
        x += (self.pixels - 1) * step.stride_x
        if x >= 0 and y >= 0:  # else all taps are in the padding
            padding = (step.pad_y * step.width + step.pad_x) * words
            first = (step.input_address + padding) & 0xFFFF
            position = min(y, step.height - 1) * step.width + min(x, step.width - 1)
            yield Span(first, first + position * words + self.last_word)

    def written(self) -> Span:
        """Words of the outputs, from the first to the last."""
        step = self.step
        if step.operation is Operation.ARGMAX:
            return Span(step.output_address, step.output_address + step.last_row)
        columns = (step.last_column - leading_columns(step, self.config)) * self.pixels
        stride = step.step_x if step.operation is Operation.DEPTHWISE else 1
        row = (-(-(columns + step.tail_pixels) // stride) - 1) * step.pixel_words
        rows = step.last_row * (row + (step.row_words or step.pixel_words))
        outputs = step.last_tile * self.lanes + step.tail_groups * self.config.requantisers
        last = rows + row + (outputs - 1) // self.config.inputs
        return Span(step.output_address, step.output_address + last)
