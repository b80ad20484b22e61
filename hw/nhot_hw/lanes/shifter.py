"""Products with a signed power of two."""

from amaranth.hdl import Cat, Module, Mux, Value

from nhot_hw.lanes.ccu2c import Fused
from nhot_hw.lanes.register import register

__all__ = ["add_term"]


def add_term(
    m: Module, x: Value, term: Value, *, enable: Value, max_shift: int, bits: int, fuse: bool
) -> Value | Fused:
    """Add the circuit of ``x << shift``, or ``~(x << shift)`` if the sign is set, to ``m``.

    ``~`` is one less than the negative, and saves an adder. Takes one cycle.

    Parameters
    ----------
    x : signed
        The activation.
    term : unsigned
        A shift, at most ``max_shift``, with a sign above it.
    enable : 1 bit
        Else the result is 0, provided that the sign is not set.
    bits : int
        Enough for the result.
    fuse : bool
        Leave the last stage to the adder that follows.
    """
    shift, negative = term[:max_shift.bit_length()], term[-1]
    if fuse:
        return _fused(m, x, shift, negative, enable, max_shift=max_shift)
    if not len(shift):
        x = Mux(enable, x, 0)
        return register(m, Mux(negative, ~x, x), bits=bits)
    # Small shifts first, because the value is still narrow then. The sign fits into the LUTs of
    # the last multiplexer, and the enable becomes the synchronous reset of the register.
    width = len(x) + max_shift
    for i, bit in enumerate(shift):
        x = Mux(bit, (x << (1 << i))[:width].as_signed(), x)
    return register(m, Mux(enable, Mux(negative, ~x, x), 0), bits=bits)


def _fused(
    m: Module, x: Value, shift: Value, negative: Value, enable: Value, *, max_shift: int
) -> Fused:
    if not len(shift):
        return Fused(
            kind="gate", b=register(m, x), c=register(m, enable), d=register(m, negative)
        )
    # The sign must come before the stage that is left out, and with it what is shifted in.
    width = len(x) + max_shift
    value = Mux(negative, ~x, x)
    for i, bit in enumerate(shift[:-1]):
        value = Mux(bit, Cat(negative.replicate(1 << i), value)[:width].as_signed(), value)
    value = register(m, Mux(enable, value, 0))
    below = register(m, enable & negative).replicate(1 << len(shift) - 1)
    return Fused(
        kind="mux", b=Cat(below, value)[:width].as_signed(), c=value, d=register(m, shift[-1])
    )
