"""Values of the past."""

from amaranth.hdl import Module, Signal, Value

__all__ = ["delayed"]


def delayed(m: Module, value: Value, cycles: int) -> Value:
    """``value`` of so many cycles ago; before the first cycle, 0.

    Without reset, which would have to reach all of its bits: a reset that lasts as many cycles as
    it waits has passed through it, too.
    """
    for _ in range(cycles):
        before = Signal(value.shape(), reset_less=True)
        m.d.sync += before.eq(value)
        value = before
    return value
