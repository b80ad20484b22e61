# amaranth: UnusedElaboratable=no
"""What a bus costs is what the page says."""

import re
from collections import defaultdict
from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect, flipped

from nhot.compiler.targets import target
from nhot_hw.bench.module import measure_module
from nhot_hw.buses import BUSES, BusAdapter
from nhot_hw.core.ports import ports_of
from nhot_hw.engine.host import HostSignature
from nhot_hw.io import RequestServer
from nhot_hw.verilog import to_verilog

PAGE = Path(__file__).parents[2] / "docs" / "buses.md"


class WithoutEngine(wiring.Component):
    """Adapter and bus, whose other side is a port."""

    def __init__(self, config, bus, buffer):
        _, _, front = BUSES[bus]
        self.front = front()
        self.adapter = BusAdapter(config, streams=bus == "axi", buffer=buffer)
        streams = {name: self.adapter.signature.members[name] for name in ("i", "o")}
        super().__init__({
            "signals": self.front.signature.members["signals"], "engine": Out(HostSignature),
            "irq": Out(1), **(streams if bus == "axi" else {}),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.front, m.submodules.adapter = self.front, self.adapter
        connect(m, self.front.bus, self.adapter.bus)
        connect(m, self.adapter.engine, flipped(self.engine))
        m.d.comb += self.irq.eq(self.adapter.irq)
        for path, member, outer in self.signature.flatten(self):
            if path[0] in ("signals", "i", "o"):
                inner = self.front if path[0] == "signals" else self.adapter
                for name in path:
                    inner = getattr(inner, name)
                into = member.flow == wiring.In
                m.d.comb += inner.eq(outer) if into else outer.eq(inner)
        return m


def measured(component):
    ports = ports_of(component, defaultdict(str))
    costs = measure_module(to_verilog(component, "part"), "part", ports, ("ecp5", "ice40"))
    return [str(number) for cost in costs for number in (cost.luts, cost.flip_flops, cost.mhz)]


@pytest.mark.slow
@pytest.mark.parametrize(("row", "create"), [
    ("AXI4-Lite and streams", lambda config: WithoutEngine(config, "axi", 1)),
    ("Wishbone", lambda config: WithoutEngine(config, "wishbone", 1)),
    ("Wishbone, buffer of 256 words", lambda config: WithoutEngine(config, "wishbone", 256)),
    ("request server of the serial port", lambda config: RequestServer(
        target_id=config.target_id)),
])
def test_the_page_says_what_it_costs(row, create):
    text = PAGE.read_text(encoding="utf-8")
    (cells,) = re.findall(rf"^\| {re.escape(row)} \| (.*) \|$", text, re.MULTILINE)
    assert measured(create(target("icebreaker", "2hot").config)) == cells.split(" | ")
