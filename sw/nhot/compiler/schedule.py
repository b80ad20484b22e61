"""From a layer to the loops of the engine: the descriptor's counts and jumps."""

from __future__ import annotations

from dataclasses import dataclass

from nhot.compiler.lower import Layer
from nhot.contract.banks import conflicts
from nhot.contract.config import EngineConfig
from nhot.contract.program import Descriptor, Operation

__all__ = [
    "NOWHERE", "Addresses", "Loops", "descriptor", "first_input", "lane_step", "loops_of",
    "pixel_groups", "pixels_of",
]

_MASK = 0xFFFF


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """First words of a layer's data in the four memories."""

    inputs: tuple[int, ...]
    output: int
    weights: int = 0
    requant: int = 0


NOWHERE = Addresses(inputs=(0, 0), output=0)
"""For what does not depend on where anything lies."""


@dataclass(frozen=True, kw_only=True)
class Loops:
    """The six loop counts, and the distance in words that each loop's index moves the address: that
    of the words is 1."""

    words: int
    kernel: tuple[int, int]  # y, x
    rows: int
    columns: int
    tiles: int
    step_tap: tuple[int, int]
    step_row: int
    step_column: int
    step_tile: int

    def jumps(self) -> dict[str, int]:
        """What the running address moves by when a loop advances and all inside it start anew.

        True distances; a descriptor has them modulo 2^16. A loop of one turn never advances: 0.
        """
        span = self.words - 1
        result = {}
        for name, turns, step in (
            ("jump_x", self.kernel[1], self.step_tap[1]),
            ("jump_y", self.kernel[0], self.step_tap[0]),
            ("jump_column", self.columns, self.step_column),
            ("jump_row", self.rows, self.step_row),
            ("jump_tile", self.tiles, self.step_tile),
        ):
            result[name] = step - span if turns > 1 else 0
            span += (turns - 1) * step
        return result


def descriptor(layer: Layer, config: EngineConfig, addresses: Addresses) -> Descriptor:
    """The descriptor that runs ``layer``, which keeps the engine's limits (``limits.py``)."""
    loops = loops_of(layer, config, addresses)
    top, left = layer.window.padding[:2]
    stride_y, stride_x = layer.window.stride
    in_height, in_width, in_channels = layer.source
    array, argmax = layer.operation.on_lanes, layer.operation is Operation.ARGMAX
    pixels = pixels_of(layer, config)
    # A window that takes two operands, or walks a tensor flat, must never look out of bounds.
    in_bounds = layer.operation in (Operation.ADD, Operation.ARGMAX)
    positions = {
        "pad_x": left, "pad_y": top, "stride_x": stride_x, "stride_y": stride_y,
        "step_x": layer.window.dilation[1], "step_y": layer.window.dilation[0],
        "width": in_width, "height": in_height, "column_step": stride_x * pixels,
    }
    if layer.operation is Operation.DEPTHWISE:
        positions["step_x"] = layer.stride
    if array and layer.takes_operands:
        positions["step_y"] = 0
    if in_bounds:
        positions.update(stride_x=0, stride_y=0, step_x=0, step_y=0, column_step=0)
    per_tile = (config.filters if array else config.inputs) // config.requantisers
    groups = -(-len(layer.filters) // config.requantisers)
    if argmax:  # reads whole words, counts channels itself
        groups = per_tile
    return Descriptor(
        operation=layer.operation, terms=layer.terms, pad_value=layer.pad_value,
        one_pixel=int(array and pixels < config.pixels),
        activation_terms=layer.walk.activation_terms,
        zero_point=layer.requant.zero_point, low=layer.requant.low, high=layer.requant.high,
        per_channel=int(array), channels=in_channels if argmax else 0,
        input_address=first_input(layer, config, addresses) & _MASK,
        weight_address=addresses.weights if array else 0, requant_address=addresses.requant,
        last_word=loops.words - 1, last_tap_y=loops.kernel[0] - 1, last_tap_x=loops.kernel[1] - 1,
        last_column=loops.columns - 1, last_row=loops.rows - 1, last_tile=loops.tiles - 1,
        tail_pixels=pixel_groups(layer, config)[1],
        lane_step=lane_step(layer, config),
        tail_groups=groups - (groups - 1) // per_tile * per_tile,
        **positions, **_written(layer, config, addresses.output),
        **{name: value & _MASK for name, value in loops.jumps().items()},
    )


def _written(layer: Layer, config: EngineConfig, address: int) -> dict[str, int]:
    """Where the outputs of ``layer`` go, whose tensor lies at ``address``."""
    if layer.operation is Operation.ARGMAX:
        return {"output_address": address, "pixel_words": 1}
    output, phase = layer.output, layer.walk.phase
    words, width = output.position_words(config.inputs), output.tensor.shape[1]
    first = phase.first[0] * width + phase.first[1]
    channel = layer.walk.start + layer.filters.start
    rows, columns, _ = layer.target
    pixel = words * phase.spread[1] if columns > 1 else words
    row = words * phase.spread[0] * width - (columns - 1) * pixel
    return {
        "output_address": address + first * words
        + int(output.places(config.inputs)[channel]) // config.inputs,
        "pixel_words": pixel, "row_words": row if rows > 1 and row != pixel else 0,
    }


def loops_of(layer: Layer, config: EngineConfig, addresses: Addresses) -> Loops:
    """The loops of ``layer``; only those of an addition depend on where its inputs lie."""
    in_height, in_width, in_channels = layer.source
    out_height, out_width, _ = layer.target
    words = -(-in_channels // config.inputs)
    row = in_width * words
    stride_y, stride_x = layer.window.stride
    step_y, step_x = layer.window.dilation
    match layer.operation:
        case Operation.ARRAY | Operation.DEPTHWISE:
            assert layer.reach is not None
            kernel, step_tap = layer.window.kernel, (step_y * row, step_x * words)
            if layer.takes_operands:
                kernel, step_tap = (2, 1), (_other(addresses), 0)
            return Loops(
                words=layer.reach.words, kernel=kernel, rows=out_height,
                columns=pixel_groups(layer, config)[0],
                tiles=-(-len(layer.filters) // config.filters),
                step_tap=step_tap, step_row=stride_y * row,
                step_column=stride_x * words * pixels_of(layer, config),
                step_tile=layer.reach.distance,
            )
        case Operation.ARGMAX:
            return Loops(
                words=1, kernel=(1, 1), rows=in_height * in_width, columns=words, tiles=1,
                step_tap=(0, 0), step_row=words, step_column=1, step_tile=0,
            )
        case Operation.ADD:
            return Loops(
                words=1, kernel=(2, 1), rows=in_height, columns=in_width, tiles=words,
                step_tap=(_other(addresses), 0), step_row=row, step_column=words, step_tile=1,
            )
        case _:
            return Loops(
                words=1, kernel=layer.window.kernel, rows=out_height, columns=out_width,
                tiles=words, step_tap=(step_y * row, step_x * words),
                step_row=stride_y * row, step_column=stride_x * words, step_tile=1,
            )


def _other(addresses: Addresses) -> int:
    """Words from an operand to the other one."""
    first, second = addresses.inputs
    return second - first


def pixel_groups(layer: Layer, config: EngineConfig) -> tuple[int, int]:
    """Groups of pixels in a row, and the pixels of the last one; elsewhere each is a group."""
    columns = (layer.target[1] - 1) * layer.stride + 1
    if not layer.operation.on_lanes:
        return columns, 1
    pixels = pixels_of(layer, config)
    groups = -(-columns // pixels)
    leading = config.preloads if layer.operation is Operation.DEPTHWISE else 0
    return leading + groups, columns - (groups - 1) * pixels


def pixels_of(layer: Layer, config: EngineConfig) -> int:
    """Pixels side by side: T on lanes, or one where T would ask the same bank for their words."""
    if not layer.operation.on_lanes or conflicts(lane_step(layer, config), config.banks):
        return 1
    return config.pixels


def lane_step(layer: Layer, config: EngineConfig) -> int:
    """Words between the inputs of neighbouring pixels, of which only the array has any."""
    if not layer.operation.on_lanes:
        return 0
    return layer.window.stride[1] * -(-layer.source[2] // config.inputs)


def first_input(layer: Layer, config: EngineConfig, addresses: Addresses) -> int:
    """Address of the first tap, which padding may put before the tensor."""
    _, in_width, in_channels = layer.source
    words = -(-in_channels // config.inputs)
    top, left = layer.window.padding[:2]
    first = 0 if layer.reach is None else layer.reach.first
    return addresses.inputs[0] + first - (top * in_width + left) * words
