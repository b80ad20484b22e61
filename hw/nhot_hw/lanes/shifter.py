"""Products with a signed power of two."""

from amaranth.hdl import Mux, Value

__all__ = ["shifted_term"]


def shifted_term(x: Value, term: Value, *, max_shift: int) -> Value:
    """``x << shift``, or ``~(x << shift)`` if the sign is set: one less than the negative.

    A logarithmic shifter, small shifts first because the value is still narrow then. Its last
    stage has room for the sign in a LUT of four inputs.

    Parameters
    ----------
    x : signed
        The activation.
    term : unsigned
        A shift with a sign above it; the shift is at most ``max_shift``.
    max_shift : int
        The largest shift, from which the width of the result follows.
    """
    shift, negative = term[:-1], term[-1]
    width = len(x) + max_shift
    for i, bit in enumerate(shift):
        x = Mux(bit, (x << (1 << i))[:width].as_signed(), x)
    return Mux(negative, ~x, x)
