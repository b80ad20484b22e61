"""Faults that are planted in components, and an engine that is small enough for many of them."""

from amaranth.hdl import Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from nhot.compiler import EngineConfig

__all__ = ["Damaged", "SMALL", "stuck"]

SMALL = EngineConfig(
    filters=2, inputs=2, requantisers=2, pixels=2, weight_words=64, activation_words=64
)


class Damaged(wiring.Component):
    """``component``, with ``change`` made to what passes its port at ``path``."""

    def __init__(self, component, *path, change=lambda value: value ^ 1):
        self.component, self.path, self.change = component, path, change
        super().__init__(component.signature)

    def elaborate(self, platform):
        m = Module()
        m.submodules.whole = self.component
        for path, member, outer in self.signature.flatten(self):
            inner = self.component
            for name in path:
                inner = getattr(inner, name)
            ends = Value.cast(outer), Value.cast(inner)
            source, sink = ends if member.flow == In else reversed(ends)
            m.d.comb += sink.eq(self.change(source) if path == self.path else source)
        return m


def stuck(value):
    """Always one, whatever it should be."""
    return 1
