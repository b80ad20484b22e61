"""What a port did in the cycle before, for specifications of streams."""

from amaranth.hdl import Assert, Module, Signal, Value
from amaranth.lib import stream

__all__ = ["offered_stays"]


def offered_stays(m: Module, port: stream.Interface, *, unless: Value | int = 0) -> None:
    """Assert the rule of streams: what is offered stays as it is until it is taken."""
    payload = Value.cast(port.payload)
    waits, before = Signal(), Signal(len(payload))
    m.d.sync += [waits.eq(port.valid & ~port.ready & ~Value.cast(unless)), before.eq(payload)]
    m.d.comb += Assert(
        ~waits | (port.valid & (payload == before)), "what is offered must stay until it is taken"
    )
