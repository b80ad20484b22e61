"""Pipeline registers and adder trees."""

from collections.abc import Sequence

from amaranth.hdl import Module, Shape, Signal, Value

from nhot_hw.lanes.ccu2c import Fused, fused_add

__all__ = ["add_tree", "register"]


def register(m: Module, value: Value, *, bits: int = 64) -> Signal:
    """A register of a value, at most ``bits`` wide; without reset, since enables guard it."""
    shape = Shape(min(len(value), bits), signed=value.shape().signed)
    stage = Signal(shape, reset_less=True)
    m.d.sync += stage.eq(value)
    return stage


def add_tree(m: Module, values: Sequence[Value | Fused], *, bits: int) -> Value:
    """Add signed values pairwise, with a register after each level.

    ``bits`` that hold the final sum are enough for all
    the others: what wraps on the way, wraps back. Takes ``ceil(log2(len(values)))`` cycles.
    """
    while len(values) > 1:
        pairs = zip(values[::2], values[1::2], strict=False)
        sums = [_add(m, a, b, bits=bits) for a, b in pairs]
        rest = values[len(sums) * 2:]
        values = [register(m, value, bits=bits) for value in (*sums, *map(_plain, rest))]
    return _plain(values[0])


def _add(m: Module, a: Value | Fused, b: Value | Fused, *, bits: int) -> Value:
    if isinstance(b, Fused):
        return fused_add(m, _plain(a), b, bits=bits)
    return a + b


def _plain(value: Value | Fused) -> Value:
    return value.value if isinstance(value, Fused) else value
