"""What a layer asks of the data path."""

from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot.contract.program import Operation
from nhot_hw.engine.descriptor import DescriptorLayout, is_depthwise, on_lanes

__all__ = ["Role", "RoleLayout"]

RoleLayout = data.StructLayout({"lanes": 1, "depthwise": 1, "search": 1})
"""Lanes work, on taps of their own; the largest channel is looked for."""


class Role(wiring.Component):
    """The role that a layer has, in registers, as much of the data path hangs on each.

    The descriptor is there a cycle before its layer starts, the role with the first cycle of its
    walk: some cycles before what is read in that.

    Members
    -------
    i_descriptor : the layer
    o_role : a cycle later
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__({"i_descriptor": In(DescriptorLayout), "o_role": Out(RoleLayout)})

    def elaborate(self, platform):
        m = Module()
        layer = self.i_descriptor
        m.d.sync += [
            self.o_role.lanes.eq(on_lanes(layer, self.config)),
            self.o_role.depthwise.eq(is_depthwise(layer)),
            self.o_role.search.eq(layer.operation == Operation.ARGMAX),
        ]
        return m
