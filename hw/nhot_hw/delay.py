"""Values of the past."""

from amaranth.hdl import Module, Signal, Value

__all__ = ["delayed"]


def delayed(m: Module, value: Value, cycles: int) -> Value:
    """``value`` of so many cycles ago; before the first cycle, 0."""
    for _ in range(cycles):
        before = Signal(value.shape())
        m.d.sync += before.eq(value)
        value = before
    return value
