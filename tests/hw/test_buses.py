"""The ports of the buses are those of their specifications."""

import pytest

from nhot_hw.buses import axi, wishbone
from nhot_hw.buses.words import ADDRESS_BITS

# Of buses of 32 bits: AMBA AXI protocol, chapter B1; Wishbone B4, section 2.2; others are bits.
WIDTHS = {
    "axi": {"awaddr": ADDRESS_BITS, "awprot": 3, "wdata": 32, "wstrb": 4, "bresp": 2,
            "araddr": ADDRESS_BITS, "arprot": 3, "rdata": 32, "rresp": 2},
    "wishbone": {"adr": ADDRESS_BITS, "dat_w": 32, "sel": 4, "dat_r": 32},
}


@pytest.mark.parametrize(("bus", "ports"), [("axi", axi.PORTS), ("wishbone", wishbone.PORTS)])
def test_widths(bus, ports):
    wide = {name: member.shape for name, member in ports.items() if member.shape != 1}
    assert wide == WIDTHS[bus]


def test_a_page_of_registers():
    assert 1 << ADDRESS_BITS == 4096
