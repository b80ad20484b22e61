"""The ports of the buses are those of their specifications, the words behind them the engine's."""

import pytest

from nhot.contract.config import EngineConfig
from nhot.contract.program import Region
from nhot_hw.buses import axi, wishbone
from nhot_hw.buses.mover import word_sizes

# Of buses of 32 bits, and a page of 4 KiB: AMBA AXI protocol, chapter B1; Wishbone B4, section 2.2;
# others are bits.
WIDTHS = {
    "axi": {"awaddr": 12, "awprot": 3, "wdata": 32, "wstrb": 4, "bresp": 2,
            "araddr": 12, "arprot": 3, "rdata": 32, "rresp": 2},
    "wishbone": {"adr": 12, "dat_w": 32, "sel": 4, "dat_r": 32},
}


@pytest.mark.parametrize(("bus", "ports"), [("axi", axi.PORTS), ("wishbone", wishbone.PORTS)])
def test_widths(bus, ports):
    wide = {name: member.shape for name, member in ports.items() if member.shape != 1}
    assert wide == WIDTHS[bus]


@pytest.mark.parametrize(("write", "weights"), [(True, 28), (False, 32)])
def test_bytes_of_a_word(write, weights):
    config = EngineConfig(filters=4, inputs=8, requantisers=2, format="2hot")
    assert word_sizes(config, write=write) == {
        Region.PROGRAM: 4, Region.REQUANT: 8, Region.WEIGHTS: weights, Region.ACTIVATIONS: 8,
        Region.TIMING: 4,
    }
