"""The ports of a component as Verilog has them, each with what it means."""

from collections.abc import Mapping
from dataclasses import dataclass

from amaranth.hdl import Shape
from amaranth.lib import wiring
from amaranth.lib.wiring import In

__all__ = ["Port", "ports_of"]


@dataclass(frozen=True, kw_only=True)
class Port:
    """One port of a module."""

    name: str
    is_input: bool
    bits: int
    signed: bool
    meaning: str

    @property
    def direction(self) -> str:
        """As Verilog writes it."""
        return "input" if self.is_input else "output"

    @property
    def type(self) -> str:
        """Its width and, where it has one, its sign."""
        return f"{self.bits} bit{'s' * (self.bits > 1)}{', signed' * self.signed}"


def ports_of(component: wiring.Component, meanings: Mapping[str, str]) -> list[Port]:
    """Clock and reset, then the ports of ``component`` in the order of its signature.

    ``meanings`` has a sentence for each of them.
    """
    ports = [
        Port(name="clk", is_input=True, bits=1, signed=False, meaning="Clock, rising edge."),
        Port(name="rst", is_input=True, bits=1, signed=False,
             meaning="Synchronous reset, active high."),
    ]
    for path, member, value in component.signature.flatten(component):
        name = "__".join(map(str, path))
        shape = Shape.cast(value.shape())
        ports.append(Port(
            name=name, is_input=member.flow == In, bits=shape.width, signed=shape.signed,
            meaning=meanings[name],
        ))
    return ports
