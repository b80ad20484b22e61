# amaranth: UnusedElaboratable=no
"""Something small in the place of an engine, and what is to be built of it."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nhot.compiler.targets import target
from nhot_hw.build.plan import plan_build

__all__ = ["plan", "StandIn"]


class StandIn(wiring.Component):
    """Something small with the ports of an engine."""

    rx: In(1, init=1)
    tx: Out(1, init=1)

    def __init__(self, width=12):
        self.width = width
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        count = Signal(self.width)
        m.d.sync += [count.eq(count + 1), self.tx.eq(self.rx ^ count[-1])]
        return m


def plan(name="icebreaker", **options):
    """The build of a stand-in on the board ``name``."""
    return plan_build(target(name), engine=StandIn(), **options)
