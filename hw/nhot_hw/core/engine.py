"""A whole engine without a board as a product: bytes in, bytes out."""

import json
from functools import cached_property
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from nhot.contract.config import EngineConfig
from nhot.device.protocol import MAX_PAYLOAD, VERSION
from nhot_hw.core.exchange import Exchange, engine_session, script
from nhot_hw.core.names import identifier
from nhot_hw.core.product import Family, Product, to_json
from nhot_hw.engine.engine import Engine
from nhot_hw.io.server import RequestServer

__all__ = ["EngineCore", "EngineProduct"]

MEANINGS = {
    "i__payload": "A byte of a request.",
    "i__valid": "It is there.",
    "i__ready": "It is taken at this clock edge, if it is there.",
    "o__payload": "A byte of an answer.",
    "o__valid": "It is there, and stays until it is taken.",
    "o__ready": "It is taken at this clock edge, if it is there.",
    "busy": "A program runs.",
}


class EngineCore(wiring.Component):
    """An :class:`Engine` and the server of its requests, which come and go as streams of bytes.

    Members
    -------
    i, o : streams of bytes, frames of the host protocol
    busy : a program runs
    """

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))
    busy: Out(1)

    def __init__(self, config: EngineConfig):
        self._engine = Engine(config)
        self._server = RequestServer(target_id=config.target_id)
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.engine = engine = self._engine
        m.submodules.server = server = self._server
        connect(m, flipped(self.i), server.i)
        connect(m, server.o, flipped(self.o))
        connect(m, server.engine, engine.host)
        m.d.comb += self.busy.eq(engine.host.busy)
        return m


class EngineProduct(Product):
    """An engine of ``config``.

    Parameters
    ----------
    config : EngineConfig
    name : str
        By default after format and array.
    family : {"portable", "ecp5"}

    Raises
    ------
    NhotError
        The name is no identifier, or the memories hold no network for the bench.
    """

    FOLDERS = ("common", "engine")
    MEANINGS = MEANINGS

    def __init__(
        self, config: EngineConfig, *, name: str | None = None, family: Family = "portable"
    ):
        sizes = f"{config.pixels}x{config.filters}x{config.inputs}"
        super().__init__(name or f"nhot_engine_{identifier(config.format)}_{sizes}", family)
        self.config = config

    @property
    def title(self) -> str:
        """What it is, in a line."""
        config = self.config
        sizes = f"{config.pixels} x {config.filters} x {config.inputs}"
        return f"Engine of {sizes} products a step, {config.format} weights, streams of bytes"

    def create(self) -> EngineCore:
        """The gateware."""
        return EngineCore(self.config)

    @cached_property
    def session(self) -> list[Exchange]:
        """What a host says and what it hears."""
        return engine_session(self.config)

    def data(self) -> dict[str, str]:
        """What host and bench know of the core, and a golden session."""
        exchanges = [one._asdict() for one in self.session]
        return {
            "engine.json": to_json(json.loads(self.config.to_json())),
            "session.json": to_json({f"{i}": one for i, one in enumerate(exchanges)}),
            "script.hex": script(self.session),
        }

    def facts(self) -> dict[str, Any]:
        """What the templates say of it."""
        return {
            "config": self.config, "contract": "engine/_contract.j2", "protocol": VERSION,
            "most": MAX_PAYLOAD, "exchanges": len(self.session), "stimulus": "script.hex",
            "steps": script(self.session).count("\n"),
        }
