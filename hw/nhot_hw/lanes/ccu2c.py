"""The ECP5 carry cell, which has a LUT of four inputs in front of its adder.

Synthesis uses it to add two numbers, so that two of the four inputs stay idle and a gate or a
multiplexer in front of the adder costs a LUT of its own.
"""

from dataclasses import dataclass
from typing import Literal

from amaranth.hdl import Cat, Const, Instance, Module, Mux, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SIMULATED", "Ccu2c", "Fused", "fused_accumulate", "fused_add", "is_ecp5", "is_ice40"]

SIMULATED = "ecp5-simulated"
"""As a platform: that of the ECP5, with models for the cells."""

_NO_CARRY = Const(0, 1)

# Bit a + 2b + 4c + 8d of a table is the sum, without carry, of two numbers. The carry comes from a
# and b alone, as if c and d were 0, so there one of the numbers must be 0: the operand, or the old
# sum of an accumulator.
_TABLES = {
    "gate": lambda a, b, c, d: a ^ ((b ^ d) & c),
    "mux": lambda a, b, c, d: a ^ (b if d else c),
    "accumulate": lambda a, b, c, d: (a ^ b) ^ (c & (1 - d)),
}


def is_ecp5(platform: object) -> bool:
    """Whether a component is elaborated for an ECP5."""
    return platform == SIMULATED or getattr(platform, "family", None) == "ecp5"


def is_ice40(platform: object) -> bool:
    """Whether a component is elaborated for an iCE40."""
    return getattr(platform, "family", "").lower() == "ice40"


@dataclass(frozen=True, kw_only=True)
class Fused:
    """A signed operand that the carry cells of an adder compute themselves.

    ``gate``: ``(b ^ d) & c``, a value that may be inverted (d) or let through (c).
    ``mux``: b if d, else c. One bit each, or a signed value.
    """

    kind: Literal["gate", "mux"]
    b: Value
    c: Value
    d: Value

    @property
    def value(self) -> Value:
        """The operand, where there is no adder for it."""
        b, c, d = _extend(self.b, self.width), _extend(self.c, self.width), self.d
        value = Mux(d, b, c) if self.kind == "mux" else (b ^ d.replicate(self.width)) & c
        return value.as_signed()

    @property
    def width(self) -> int:
        """Bits of the operand."""
        return max(len(self.b), len(self.c))


def fused_add(
    m: Module, a: Value, operand: Fused, *, bits: int, carry: Value = _NO_CARRY
) -> Value:
    """``a`` plus the operand, both signed, plus a carry of one bit; at most ``bits`` wide."""
    width = min(max(len(a), operand.width) + 1, bits)
    return _chain(m, operand.kind, (a, operand.b, operand.c, operand.d), width, carry)


def fused_accumulate(
    m: Module, total: Value, negative: Value, old: Value, first: Value
) -> Value:
    """``old``, or 0 if it is the ``first``, plus ``total``, or ``~total`` if ``negative``.

    Signed, as wide as ``old``.
    """
    return _chain(m, "accumulate", (total, negative, old, first), len(old), _NO_CARRY)


def _chain(
    m: Module, kind: str, values: tuple[Value, ...], width: int, carry: Value
) -> Value:
    """Carry cells in a row, fed with a, b, c and d."""
    inputs = [_extend(value, width + 1) for value in values]
    table = _table(kind)
    sums = []
    for i in range(0, width, 2):
        cell = Ccu2c(table)
        m.submodules += cell
        m.d.comb += cell.i_carry.eq(carry)
        m.d.comb += [
            port.eq(value[i:i + 2])
            for port, value in zip((cell.i_a, cell.i_b, cell.i_c, cell.i_d), inputs, strict=True)
        ]
        sums.append(cell.o_sum)
        carry = cell.o_carry
    return Cat(sums)[:width].as_signed()


def _table(kind: str) -> int:
    """Contents of the LUT."""
    bits = (_TABLES[kind](i & 1, i >> 1 & 1, i >> 2 & 1, i >> 3 & 1) for i in range(16))
    return sum(bit << i for i, bit in enumerate(bits))


def _extend(value: Value, width: int) -> Value:
    """A signed value in ``width`` bits; a control bit for each of them."""
    if value.shape() == unsigned(1):
        return value.replicate(width)
    return Cat(value, value[-1].replicate(max(0, width - len(value))))[:width]


class Ccu2c(wiring.Component):
    """Two bits of an adder with a LUT in front.

    Members
    -------
    i_a, i_b, i_c, i_d : In(2)
    i_carry : In(1)
    o_sum : Out(2)
    o_carry : Out(1)
    """

    i_a: In(2)
    i_b: In(2)
    i_c: In(2)
    i_d: In(2)
    i_carry: In(1)
    o_sum: Out(2)
    o_carry: Out(1)

    def __init__(self, table: int):
        self.table = table
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if platform == SIMULATED:
            self._model(m)
            return m
        table = Const(self.table, 16)
        inputs = {
            f"i_{name}{i}": port[i]
            for name, port in zip("ABCD", (self.i_a, self.i_b, self.i_c, self.i_d), strict=True)
            for i in range(2)
        }
        m.submodules.cell = Instance(
            "CCU2C", p_INIT0=table, p_INIT1=table, p_INJECT1_0="NO", p_INJECT1_1="NO",
            i_CIN=self.i_carry, o_S0=self.o_sum[0], o_S1=self.o_sum[1], o_COUT=self.o_carry,
            **inputs,
        )
        return m

    def _model(self, m: Module) -> None:
        carry: Value = self.i_carry
        for i in range(2):
            inputs = Cat(self.i_a[i], self.i_b[i], self.i_c[i], self.i_d[i])
            propagate = Const(self.table, 16).bit_select(inputs, 1)
            generate = Const(self.table & 15, 4).bit_select(inputs[:2], 1)
            m.d.comb += self.o_sum[i].eq(propagate ^ carry)
            carry = Mux(propagate, carry, generate)
        m.d.comb += self.o_carry.eq(carry)
