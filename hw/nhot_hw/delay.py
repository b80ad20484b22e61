"""Values of the past."""

from amaranth.hdl import Module, Signal, Value

__all__ = ["delayed"]


def delayed(m: Module, value: Value, cycles: int, *, reset: bool = False) -> Value:
    """``value`` of so many cycles ago.

    Without a reset, which would have to reach all of its bits, unless ``reset``: a reset that lasts
    as many cycles as it waits has passed through it, too. With one it is 0 before the first cycle,
    which proofs would else take to be anything.
    """
    for _ in range(cycles):
        before = Signal(value.shape(), reset_less=not reset)
        m.d.sync += before.eq(value)
        value = before
    return value
