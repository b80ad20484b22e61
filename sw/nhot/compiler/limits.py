"""What a network asks of an engine: each of its sizes, layer by layer, and what no size cures.

The widths of the gateware's counters, positions and distances are those of
``hw/nhot_hw/engine/walker.py``; docs/engine.md lists them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nhot.compiler.lower import Layer
from nhot.compiler.schedule import (
    NOWHERE,
    Loops,
    first_input,
    lane_step,
    loops_of,
    pixels_of,
)
from nhot.compiler.widths import layer_widths
from nhot.contract.config import SIZES, WINDOW_BITS, EngineConfig
from nhot.contract.program import FIELDS, Operation

__all__ = ["Demand", "layer_demands"]

@dataclass(frozen=True, kw_only=True)
class Demand:
    """One size that an engine must have, or what it can have in no size.

    Parameters
    ----------
    size : str
        Field of :class:`EngineConfig`; empty where none helps.
    least : int
    text : str
        What to tell the user of an engine that has less.
    """

    size: str = ""
    least: int = 0
    text: str

    @property
    def hopeless(self) -> bool:
        """Whether no engine can have it."""
        return not self.size or self.least > SIZES[self.size][1]

    def exceeds(self, config: EngineConfig) -> bool:
        """Whether an engine has too little."""
        return not self.size or getattr(config, self.size) < self.least


def layer_demands(layer: Layer, config: EngineConfig) -> Iterator[Demand]:
    """What ``layer`` asks of an engine with the array and the lanes of ``config``."""
    fixed = [Demand(text=text) for text in _beyond_fields(layer, config)]
    yield from fixed
    if not fixed:
        yield from _counts(layer, config)
        yield from _positions(layer, config)
        yield from _distances(layer, config)
        yield from _widths(layer, config)


def _beyond_fields(layer: Layer, config: EngineConfig) -> Iterator[str]:
    """Numbers of the layer that have no room in a descriptor of any engine."""
    loops, window = _loops(layer, config), layer.window
    channels = layer.source[2] if layer.operation is Operation.ARGMAX else 0
    for what, value, field, extra in (
        ("Kernel rows", loops.kernel[0], "last_tap_y", 1),
        ("Kernel columns", loops.kernel[1], "last_tap_x", 1),
        ("Vertical stride", window.stride[0], "stride_y", 0),
        ("Horizontal stride", window.stride[1], "stride_x", 0),
        ("Vertical dilation", window.dilation[0], "step_y", 0),
        ("Horizontal dilation", window.dilation[1], "step_x", 0),
        ("Top padding", window.padding[0], "pad_y", 0),
        ("Left padding", window.padding[1], "pad_x", 0),
        ("Words of S input channels", loops.words, "last_word", 1),
        ("Words to the next output column", lane_step(layer, config), "lane_step", 0),
        ("Tiles of filters or channels", loops.tiles, "last_tile", 1),
        ("Input rows", layer.source[0], "height", 0),
        ("Input columns", layer.source[1], "width", 0),
        ("Output rows", loops.rows, "last_row", 1),
        ("Output columns", loops.columns, "last_column", 1),
        ("Input channels", channels, "channels", 0),
    ):
        most = (1 << FIELDS[field]) - 1 + extra
        if value > most:
            yield f"{what} of layer {layer.name!r} must be at most {most}, not {value}"


def _counts(layer: Layer, config: EngineConfig) -> Iterator[Demand]:
    """Loops are counted by counters of ``loop_bits``."""
    loops = _loops(layer, config)
    most = 1 << config.loop_bits
    for what, count in (
        ("Words of S input channels", loops.words), ("Rows", loops.rows),
        ("Columns", loops.columns), ("Tiles of filters or channels", loops.tiles),
    ):
        yield _counter((count - 1).bit_length(), (
            f"{what} of layer {layer.name!r} must be at most {most} on this engine, "
            f"not {count}"
        ))


def _positions(layer: Layer, config: EngineConfig) -> Iterator[Demand]:
    """A position that wraps would make data of padding: of taps to the right and at the bottom.

    A column's position is that of its first pixel; the others lie 0 to T - 1 strides behind it,
    in unsigned multiples of as many bits.
    """
    if layer.operation in (Operation.ADD, Operation.ARGMAX):
        return  # these look at no position
    loops, window = _loops(layer, config), layer.window
    pixels = pixels_of(layer, config)
    most = 1 << (config.position_bits - 1)
    for what, count, step, axis in (
        ("rows", loops.rows, window.stride[0], 0),
        ("columns", loops.columns, window.stride[1] * pixels, 1),
    ):
        last = (count - 1) * step + window.span[axis] - 1 - window.padding[axis]
        yield _counter(max(last, 0).bit_length() - 1, (
            f"Input of layer {layer.name!r} with the padding behind it must have at most "
            f"{most} {what} on this engine, not {last + 1}"
        ))
    reach = (pixels - 1) * window.stride[1]
    yield _counter(reach.bit_length() - 2, (
        f"Horizontal stride of layer {layer.name!r} must move {pixels} pixels by at most "
        f"{2 * most - 1} columns on this engine, not {reach}"
    ))


def _distances(layer: Layer, config: EngineConfig) -> Iterator[Demand]:
    """The engine keeps so many bits of where a walk begins and of how far it jumps."""
    if layer.takes_operands:
        return  # from one tensor to another, within the memory
    farthest = max(
        abs(distance) for distance in
        (first_input(layer, config, NOWHERE), *_loops(layer, config).jumps().values())
    )
    # An engine that keeps all 16 bits goes anywhere, since distances are modulo 2^16.
    yield _deep(min(farthest.bit_length() + 1, 16) - 3, (
        f"Stride, dilation and padding of layer {layer.name!r} must step at most "
        f"{(1 << (config.distance_bits - 1)) - 1} words through its input on this engine, "
        f"not {farthest}"
    ))


def _widths(layer: Layer, config: EngineConfig) -> Iterator[Demand]:
    widths = layer_widths(layer, config)

    def text(what: str, bits: int, held: int) -> str:
        return (
            f"{what} of the engine must have at least {bits} bits for layer "
            f"{layer.name!r}, not {held}"
        )

    accumulator = text("Accumulator", widths.accumulator, config.accumulator_bits)
    yield Demand(size="accumulator_bits", least=widths.accumulator, text=accumulator)
    product = text("Product", widths.product, config.product_bits)
    yield Demand(size="product_bits", least=widths.product, text=product)
    window = text("Window sum", widths.window, config.window_bits)
    if widths.window > WINDOW_BITS:
        yield Demand(text=window)
    yield _deep(widths.window - 8, window)  # a byte from each word of the memory


def _counter(bits: int, text: str) -> Demand:
    """As :func:`_deep`, for what has the eight bits of a kernel's counter in any engine."""
    return _deep(bits if bits > 8 else 0, text)


def _deep(bits: int, text: str) -> Demand:
    """An activation memory whose addresses have ``bits`` bits."""
    least = (1 << (bits - 1)) + 1 if bits > 0 else 0
    return Demand(size="activation_words", least=least, text=text)


def _loops(layer: Layer, config: EngineConfig) -> Loops:
    return loops_of(layer, config, NOWHERE)
