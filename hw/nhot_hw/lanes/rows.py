"""int-k, a row of adder cells for each bit of a weight: the multiplier mapped by hand."""

from amaranth.hdl import Cat, Const, Module, Mux, Value

from nhot_hw.lanes.ccu2c import Fused, fused_add
from nhot_hw.lanes.lane import Lane
from nhot_hw.lanes.register import delay, register

__all__ = ["RowsLane"]


class RowsLane(Lane):
    """A multiplier for each input that adds the activation where a bit of its weight is set.

    A row is no wider than the activation and one bit, since the lowest bit of each is done. It
    takes one cell a bit: an iCE40 has a fourth input beside the sum's three, which drops the sum
    where the bit is 0; an ECP5 has the bit in front of its adder. The first row is a register with
    a reset, the last one subtracts. A register behind every second row keeps up with the adder tree
    and has half of the flip-flops that one behind each would take for what is done and what waits.
    """

    def product(self, m: Module, x: Value, field: Value, *, fuse: bool) -> Value:
        last = len(field) - 1
        total: Value = register(m, Mux(field[0], x, 0).as_signed())
        done: Value = Const(0, 0)
        for i in range(1, last + 1):
            cycles = (i + 1) // 2
            done = Cat(done, total[0])
            total = _row(
                m, (total >> 1).as_signed(), delay(m, x, cycles), delay(m, field[i], cycles),
                subtract=i == last, fuse=fuse,
            )
            if i % 2 == 0 or i == last:
                done, total = register(m, done), register(m, total)
        return Cat(done, total)[:self.spec.product_bits].as_signed()


def _row(m: Module, total: Value, x: Value, bit: Value, *, subtract: bool, fuse: bool) -> Value:
    """``total`` plus or minus ``x`` if ``bit`` is set."""
    if fuse:
        gate = Fused(kind="gate", b=x, c=bit, d=Const(subtract, 1))
        carry = bit if subtract else Const(0, 1)
        return fused_add(m, total, gate, bits=len(x) + 1, carry=carry)
    row = Mux(bit, total - x if subtract else total + x, total)
    return row[:len(x) + 1].as_signed()
