"""A whole engine on a bus as a product: registers, a job, an interrupt."""

import json
from dataclasses import asdict
from functools import cached_property
from typing import Any

from nhot.contract.config import EngineConfig
from nhot.errors import NhotError
from nhot_hw.buses import BUSES, Bus, EngineOnBus, check_buffer
from nhot_hw.core.jobs import Job, bus_script, bus_session, engine_facts
from nhot_hw.core.names import identifier
from nhot_hw.core.product import Family, Product, to_json

__all__ = ["BusProduct"]

_TITLES = {"axi": "AXI4-Lite and AXI4-Stream", "wishbone": "Wishbone B4"}

MEANINGS = {
    "irq": "Interrupt: high while an event of IRQ_STATUS is set and enabled.",
    **{f"s_axi_{name}": f"AXI4-Lite, {what}." for names, what in (
        (("awaddr", "awprot", "awvalid", "awready"), "address of a write"),
        (("wdata", "wstrb", "wvalid", "wready"), "word of a write"),
        (("bresp", "bvalid", "bready"), "answer to a write"),
        (("araddr", "arprot", "arvalid", "arready"), "address of a read"),
        (("rdata", "rresp", "rvalid", "rready"), "answer to a read"),
    ) for name in names},
    **{f"s_axis_{name}": "AXI4-Stream, input." for name in ("tdata", "tvalid", "tready")},
    **{f"m_axis_{name}": "AXI4-Stream, output." for name in ("tdata", "tlast", "tvalid", "tready")},
    "wb_cyc": "Wishbone, a cycle of the bus.", "wb_stb": "An access.", "wb_we": "It is a write.",
    "wb_adr": "Offset in bytes.", "wb_dat_w": "Word of a write.", "wb_sel": "Bytes of a write.",
    "wb_dat_r": "Word of a read.", "wb_ack": "It is done.", "wb_err": "It was refused.",
}


class BusProduct(Product):
    """An engine of ``config`` on a bus.

    Parameters
    ----------
    config : EngineConfig
    bus : {"axi", "wishbone"}
    buffer : int
        Words of 32 bits in the input buffer.
    name : str
        By default after format, array and bus.
    family : {"portable", "ecp5"}

    Raises
    ------
    NhotError
        There is no such bus, the buffer is out of range, the name is no identifier, or the memories
        hold no network for the bench.
    """

    MEANINGS = MEANINGS

    def __init__(
        self, config: EngineConfig, bus: Bus, *, buffer: int = 1, name: str | None = None,
        family: Family = "portable",
    ):
        if bus not in BUSES:
            raise NhotError(f"Bus must be one of {', '.join(BUSES)}, not {bus!r}")
        check_buffer(buffer)
        sizes = f"{config.pixels}x{config.filters}x{config.inputs}"
        default = f"nhot_engine_{identifier(config.format)}_{sizes}_{bus}"
        super().__init__(name or default, family)
        self.config, self.bus, self.buffer = config, bus, buffer
        self.FOLDERS = ("common", "bus", bus)

    @property
    def title(self) -> str:
        """What it is, in a line."""
        config = self.config
        sizes = f"{config.pixels} x {config.filters} x {config.inputs}"
        return (f"Engine of {sizes} products a step, {config.format} weights, on "
                f"{_TITLES[self.bus]}")

    def create(self) -> EngineOnBus:
        """The gateware."""
        return EngineOnBus(self.config, self.bus, buffer=self.buffer)

    @cached_property
    def session(self) -> list[Job]:
        """Jobs, and what comes of them."""
        return bus_session(self.config)

    def data(self) -> dict[str, str]:
        """What bench and driver know of the core, and a golden session."""
        jobs = {f"{i}": asdict(job) for i, job in enumerate(self.session)}
        return {
            "engine.json": to_json(json.loads(self.config.to_json())),
            "registers.json": to_json(engine_facts(self.config, self.buffer)),
            "session.json": to_json(jobs),
            "script.hex": bus_script(self.session),
        }

    def facts(self) -> dict[str, Any]:
        """What the templates say of it."""
        return {
            "config": self.config, "contract": "bus/_contract.j2", "bus": self.bus,
            "buffer": self.buffer, "jobs": len(self.session), "stimulus": "script.hex",
            "steps": bus_script(self.session).count("\n"),
        }
