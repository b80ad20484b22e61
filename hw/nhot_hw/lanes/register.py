"""Pipeline registers and adder trees."""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Shape, Signal, Value

from nhot.formats.format import Ints
from nhot_hw.lanes.ccu2c import Fused, fused_add

__all__ = ["Held", "add", "add_tree", "bits_for", "delay", "register"]


@dataclass(frozen=True, kw_only=True)
class Held:
    """A signed operand that counts if ``enable`` is set; else an adder lets its other one through.

    An iCE40 does that in the cells of the adder, whose LUTs have an input left.
    """

    operand: Value
    enable: Value

    @property
    def value(self) -> Value:
        """The operand, where there is no adder for it."""
        return Mux(self.enable, self.operand, 0).as_signed()


def register(m: Module, value: Value, *, bits: int = 64) -> Signal:
    """A register of a value, at most ``bits`` wide; without reset, since enables guard it."""
    shape = Shape(min(len(value), bits), signed=value.shape().signed)
    stage = Signal(shape, reset_less=True)
    m.d.sync += stage.eq(value)
    return stage


def delay(m: Module, value: Value, cycles: int) -> Value:
    """A value of so many cycles ago, without reset."""
    for _ in range(cycles):
        value = register(m, value)
    return value


def add_tree(
    m: Module, values: Sequence[Value | Fused | Held], *, bits: int, invert: Value | None = None
) -> Value:
    """Add signed values pairwise, with a register after each level.

    ``bits`` that hold the final sum are enough for all
    the others: what wraps on the way, wraps back. Takes ``ceil(log2(len(values)))`` cycles.
    With ``invert``, a bit that comes with the values, the sum is ``~sum`` where it is set: an
    exclusive-or behind the last adder, which an iCE40 has in the adder's own cells.
    """
    levels = (len(values) - 1).bit_length()
    if invert is not None and not levels:
        return _inverted(_plain(values[0]), invert)
    for level in range(levels):
        pairs = zip(values[::2], values[1::2], strict=False)
        sums = [add(m, _plain(a), b, bits=bits) for a, b in pairs]
        if invert is not None and level == levels - 1:
            sums = [_inverted(sums[0], delay(m, invert, level))]
        rest = values[len(sums) * 2:]
        values = [register(m, value, bits=bits) for value in (*sums, *map(_plain, rest))]
    return _plain(values[0])


def add(m: Module, a: Value, b: Value | Fused | Held, *, bits: int) -> Value:
    """The sum of two signed values, with the carry; ``bits`` of it matter."""
    if isinstance(b, Fused):
        return fused_add(m, a, b, bits=bits)
    if isinstance(b, Held):
        return Mux(b.enable, a + b.operand, a)
    return a + b


def bits_for(values: Ints) -> int:
    """Bits of the narrowest two's complement that holds all of ``values``."""
    return max(int(values.max()).bit_length(), int(~values.min()).bit_length()) + 1


def _inverted(value: Value, invert: Value) -> Value:
    return Mux(invert, ~value, value)


def _plain(value: Value | Fused | Held) -> Value:
    return value if isinstance(value, Value) else value.value
