"""Fields of registers as gateware sees them, by the names that their description gives them."""

from typing import Any

from amaranth.hdl import Cat, Const, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nhot_hw.buses.registers import FIELDS, RESETS, Register

__all__ = ["ADDRESS_BITS", "RegisterBus", "part", "word_of"]

ADDRESS_BITS = 12
"""Of the offsets in bytes: a page of 4 KiB, of which the registers take the first part."""

RegisterBus = wiring.Signature({
    "valid": Out(1),
    "write": Out(1),
    "address": Out(ADDRESS_BITS),
    "data": Out(32),
    "whole": Out(1),
    "ready": In(1),
    "error": In(1),
    "word": In(32),
})
"""An access to a register, from the side of a bus.

valid : there is one, which stays as it is until it is ready
write, address, data : what it is; the two low bits of the address do not count
whole : a write has all four bytes
ready : it is done in this cycle
error : nothing was done
word : of a read without an error
"""


def part(register: Register, name: str, word: Value) -> Value:
    """The field called ``name`` in a word of 32 bits."""
    low, width = FIELDS[register][name]
    return word[low : low + width]


def word_of(register: Register, **values: Any) -> Value:
    """A word of 32 bits with these fields, all that the register has but the constant ones."""
    fields = FIELDS[register]
    values |= {name: value for (of, name), value in RESETS.items() if of is register}
    if values.keys() != fields.keys():
        raise ValueError(f"Register {register.name} must have {', '.join(fields)}, not {values}")
    parts, end = [], 0
    for name, (low, width) in fields.items():
        value = Value.cast(values[name])
        parts += [Const(0, low - end), Cat(value, Const(0, width))[:width]]
        end = low + width
    return Cat(*parts, Const(0, 32 - end))
