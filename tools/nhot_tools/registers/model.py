"""What a SystemRDL file says, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from systemrdl import RDLCompileError, RDLCompiler

from nhot.errors import NhotError

__all__ = ["Enumeration", "Field", "Register", "RegisterMap", "read_map"]


@dataclass(frozen=True)
class Enumeration:
    """Names of numbers: name, value and meaning of each."""

    name: str
    members: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True)
class Field:
    """Some bits of a register; ``reset`` is None where it follows from the engine."""

    name: str
    low: int
    width: int
    access: str
    meaning: str
    reset: int | None
    encoding: Enumeration | None
    clears: bool
    read_acts: bool

    @property
    def bits(self) -> str:
        """As documents write them."""
        return f"{self.low}" if self.width == 1 else f"{self.low + self.width - 1}:{self.low}"


@dataclass(frozen=True)
class Register:
    """A word of 32 bits."""

    name: str
    offset: int
    meaning: str
    fields: tuple[Field, ...]

    @property
    def readable(self) -> bool:
        """Whether a read is no error."""
        return any("r" in field.access for field in self.fields)

    @property
    def writable(self) -> bool:
        """Whether a write may be none."""
        return any("w" in field.access for field in self.fields)

    @property
    def value(self) -> int:
        """After a reset, of fields that then hold a number."""
        return sum((field.reset or 0) * 2**field.low for field in self.fields)

    @property
    def access(self) -> str:
        """Of all its fields together."""
        return "r" * self.readable + "w" * self.writable


@dataclass(frozen=True)
class RegisterMap:
    """All registers, in the order of their offsets, and the enumerations of their fields."""

    title: str
    meaning: str
    registers: tuple[Register, ...]

    @property
    def enumerations(self) -> list[Enumeration]:
        """Each once, in the order of their names."""
        found = {field.encoding.name: field.encoding for register in self.registers
                 for field in register.fields if field.encoding}
        return [found[name] for name in sorted(found)]


def read_map(path: Path) -> RegisterMap:
    """Compile a file with one address map. Raises :class:`NhotError` if it is unsound."""
    compiler = RDLCompiler()
    try:
        compiler.compile_file(str(path))
        top = compiler.elaborate().top
    except RDLCompileError as error:
        raise NhotError(f"Registers {path.name!r} must be sound SystemRDL: {error}") from None
    return RegisterMap(
        title=top.get_property("name"), meaning=_text(top),
        registers=tuple(_register(node) for node in top.registers()),
    )


def _register(node: Any) -> Register:
    fields = tuple(_field(field) for field in node.fields())
    return Register(node.inst_name, node.absolute_address, _text(node), fields)


def _field(node: Any) -> Field:
    encoding = node.get_property("encode")
    members = () if encoding is None else tuple(
        (one.name, one.value, one.rdl_desc) for one in encoding
    )
    return Field(
        name=node.inst_name, low=node.low, width=node.width, access=node.get_property("sw").name,
        meaning=_text(node), reset=node.get_property("reset"),
        encoding=encoding and Enumeration(encoding.type_name, members),
        clears=node.get_property("onwrite") is not None,
        read_acts=node.get_property("onread") is not None,
    )


def _text(node: Any) -> str:
    return " ".join((node.get_property("desc") or "").split())
