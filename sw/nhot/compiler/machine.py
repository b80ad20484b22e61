"""An engine in numpy: runs a memory image, and nothing but the image, descriptor by descriptor.

It follows the same jumps and reads the same packed bytes as the gateware, so that the schedule and
the packing are tested apart from both the network they came from and the hardware they go to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nhot.compiler.image import Image
from nhot.compiler.layout import Placement
from nhot.contract.config import DEPTHWISE_KERNEL, EngineConfig
from nhot.contract.cycles import leading_columns
from nhot.contract.program import Descriptor, Operation, unpack_program
from nhot.formats.format import Ints
from nhot.network.requant import SHIFT
from nhot.network.terms import rounded_bytes

__all__ = ["Machine"]


@dataclass(frozen=True)
class _Walk:
    """All steps of a descriptor. Axes: (tile, row, column, pixel, tap y, tap x, word).

    One tile stands for all where they read the same.
    """

    address: Ints
    inside: NDArray[np.bool_]


class Machine:
    """An engine's memories, and the means to run what they hold.

    Parameters
    ----------
    image : Image
    """

    def __init__(self, image: Image) -> None:
        config = self.config = image.config
        self.image = image
        self.program = unpack_program(image.program)
        self.requant = np.frombuffer(image.requant, "<u4").reshape(-1, config.requantisers)
        self.weights = image.weight_levels()
        self.inverted = config.weight_format.inverted_terms(self.weights)
        self.activations = np.zeros((config.activation_words, config.inputs), np.int8)

    def run(self, values: ArrayLike) -> dict[str, Ints]:
        """Run one input (height, width, channels); every layer's output by name."""
        self._store(self.image.meta.input, values)
        outputs: dict[str, Ints] = {}
        for step, layer in zip(self.program[:-1], self.image.meta.layers, strict=True):
            self._execute(step)
            outputs[layer.name] = self._load(layer.output)
        return outputs

    def _store(self, place: Placement, values: ArrayLike) -> None:
        raw = np.frombuffer(place.pack(values), np.int8).reshape(-1, self.config.inputs)
        self.activations[place.address : place.address + place.words] = raw

    def _load(self, place: Placement) -> Ints:
        return place.unpack(
            self.activations[place.address : place.address + place.words].tobytes()
        )

    def _execute(self, step: Descriptor) -> None:
        walk = _walk(step, self.config)
        read = self.activations[walk.address % self.config.activation_words].astype(np.int64)
        window = np.where(walk.inside[..., None], read, step.pad_value)
        if step.operation is Operation.DEPTHWISE:
            window = self._taps(step, window)
        rows, columns, pixels = window.shape[1:4]
        # (tile, row * column * pixel, taps * words, S)
        window = window.reshape(len(window), rows * columns * pixels, -1, self.config.inputs)
        sums = self._sums(step, window)
        valid = self._valid_pixels(step, rows, columns, pixels)
        for tile in range(step.last_tile + 1):
            values = self._requantise(step, tile, sums[tile][:, valid])
            if step.operation is Operation.ARGMAX:
                self._write_argmax(step, values, rows)
            else:
                self._write(step, tile, values)

    def _taps(self, step: Descriptor, window: Ints) -> Ints:
        """The nine taps of each output, from columns of three. (tile, row, output, 1, tap, S)"""
        pixels = step.pixels(self.config.pixels)
        x = window.reshape(*window.shape[:2], -1, DEPTHWISE_KERNEL, self.config.inputs)
        first = leading_columns(step, self.config) * pixels
        end = step.last_column * pixels + step.tail_pixels
        column = np.arange(first, end, step.step_x)[:, None]
        taps = x[:, :, column + np.arange(1 - DEPTHWISE_KERNEL, 1)]
        return taps.reshape(*taps.shape[:3], 1, -1, self.config.inputs)

    def _sums(self, step: Descriptor, window: Ints) -> list[Ints]:
        """Per tile: (records, pixels, channels of the tile)."""
        if step.operation is Operation.ARRAY:
            length = window.shape[2]
            result = []
            for tile in range(step.last_tile + 1):
                start = step.weight_address + tile * length
                weights = self.weights[start : start + length]
                missing = self.inverted[start : start + length].sum(axis=0)
                read = window[min(tile, len(window) - 1)]
                sums = np.einsum("pks,kfs->pf", read, weights) - missing
                result.append(sums[None])
            return result
        if step.operation is Operation.DEPTHWISE:
            first = step.weight_address
            weights = self.weights[first : first + step.last_tile + 1, :, : window.shape[2]]
            missing = self.inverted[first : first + step.last_tile + 1, None]
            sums = np.einsum("tpsk,tks->tpk", window, weights) - missing
            return [tile[None] for tile in sums]
        if step.operation is Operation.ADD:
            return [np.moveaxis(tile, 1, 0) for tile in window]
        if step.operation is Operation.SUM:
            return [tile.sum(axis=1)[None] for tile in window]
        return [tile.max(axis=1)[None] for tile in window]

    def _valid_pixels(
        self, step: Descriptor, rows: int, columns: int, pixels: int
    ) -> NDArray[np.bool_]:
        valid = np.ones((rows, columns, pixels), np.bool_)
        if step.operation is not Operation.DEPTHWISE:  # whose taps are those of outputs alone
            valid[:, -1, step.tail_pixels :] = False
        return valid.reshape(-1)

    def _requantise(self, step: Descriptor, tile: int, sums: Ints) -> Ints:
        """The stored bytes of one tile. (pixels, channels of the tile)"""
        channels = sums.shape[-1]
        if tile == step.last_tile:
            channels = step.tail_groups * self.config.requantisers
        product = np.zeros((sums.shape[1], channels), np.int64)
        for record in range(step.records):
            bias, multiplier = self._record(step, tile, record, channels)
            product += (sums[record, :, :channels] + bias) * multiplier
        rounded = (product + (1 << (SHIFT - 1))) >> SHIFT
        clamped = np.clip(rounded + step.zero_point, step.low, step.high).astype(np.int64)
        return rounded_bytes(clamped, step.zero_point, step.activation_terms)

    def _record(
        self, step: Descriptor, tile: int, record: int, channels: int
    ) -> tuple[Ints, Ints]:
        lanes = self.config.requantisers
        if step.per_channel:
            start = step.requant_address + 2 * (tile * self.config.filters // lanes)
            words = self.requant[start : start + 2 * (channels // lanes)]
        else:
            start = step.requant_address + 2 * record
            words = np.tile(self.requant[start : start + 2], (channels // lanes, 1))
        bias = words[0::2].reshape(-1).view(np.int32).astype(np.int64)
        return bias, np.array([_multiplier(int(w), step.terms) for w in words[1::2].reshape(-1)])

    def _write(self, step: Descriptor, tile: int, values: Ints) -> None:
        array = step.operation.on_lanes
        first = tile * (self.config.filters if array else self.config.inputs)
        columns = len(values) // (step.last_row + 1)
        between_rows = (columns - 1) * step.pixel_words + (step.row_words or step.pixel_words)
        row, column = np.divmod(np.arange(len(values))[:, None], columns)
        pixel = row * between_rows + column * step.pixel_words
        channel = first + np.arange(values.shape[1])[None]
        word = step.output_address + pixel + channel // self.config.inputs
        self.activations[word, np.broadcast_to(channel % self.config.inputs, word.shape)] = values

    def _write_argmax(self, step: Descriptor, values: Ints, rows: int) -> None:
        flat = values.reshape(rows, -1)[:, : step.channels]
        index = flat.argmax(axis=1).astype("<u2").view(np.int8).reshape(-1, 2)
        self.activations[step.output_address : step.output_address + rows, :2] = index


def _walk(step: Descriptor, config: EngineConfig) -> _Walk:
    """Undo the jumps: the address of every step, as the running address would have it."""
    pixels = step.pixels(config.pixels)
    counts = (
        step.last_tile, step.last_row, step.last_column, pixels - 1,
        step.last_tap_y, step.last_tap_x, step.last_word,
    )
    tile, row, column, pixel, tap_y, tap_x, word = np.ix_(*(np.arange(n + 1) for n in counts))
    span = step.last_word
    strides = []
    for jump, count in (
        (step.jump_x, step.last_tap_x), (step.jump_y, step.last_tap_y),
        (step.jump_column, step.last_column), (step.jump_row, step.last_row),
        (step.jump_tile, step.last_tile),
    ):
        strides.append(jump + span)
        span += count * strides[-1]
    by_x, by_y, by_column, by_row, by_tile = strides
    address = (
        step.input_address + word + tap_x * by_x + tap_y * by_y + pixel * step.lane_step
        + column * by_column + row * by_row + tile * by_tile
    )
    x = column * step.column_step + pixel * step.stride_x + tap_x * step.step_x - step.pad_x
    y = row * step.stride_y + tap_y * step.step_y - step.pad_y
    inside = (x >= 0) & (x < step.width) & (y >= 0) & (y < step.height)
    address = np.broadcast_to(address, np.broadcast_shapes(address.shape, inside.shape))
    if not by_tile & 0xFFFF:
        address = address[:1]
    return _Walk(address & 0xFFFF, np.broadcast_to(inside, address.shape))


def _multiplier(word: int, terms: int) -> int:
    value = 0
    for i in range(terms):
        byte = (word >> (8 * i)) & 0xFF
        if byte & 0x80:
            power = 1 << (byte & 31)
            value += -power if byte & 0x40 else power
    return value
