"""Binary: an activation, or its inverse."""

from amaranth.hdl import Const, Module, Mux, Value

from nhot_hw.lanes.ccu2c import Fused
from nhot_hw.lanes.chain import ChainLane
from nhot_hw.lanes.lane import Lane
from nhot_hw.lanes.register import register

__all__ = ["BinaryChainLane", "BinaryLane"]


class BinaryLane(Lane):
    """An inverter for each input, which ternary has, too, but no gate."""

    def product(self, m: Module, x: Value, field: Value, *, fuse: bool) -> Value | Fused:
        return signed_by(m, x, field, fuse=fuse)


class BinaryChainLane(ChainLane):
    """Inverters in the cells of the adders, but for the first of each chain."""

    def term(
        self, m: Module, index: int, x: Value, field: Value, *, fuse: bool
    ) -> Value | Fused:
        return signed_by(m, x, field, fuse=fuse)


def signed_by(m: Module, x: Value, negative: Value, *, fuse: bool) -> Value | Fused:
    """Add the circuit of ``x``, or ``~x`` where it is ``negative``, to ``m``. Takes one cycle."""
    if fuse:
        return Fused(kind="gate", b=register(m, x), c=Const(1, 1), d=register(m, negative))
    return register(m, Mux(negative, ~x, x))
