"""What a host sees of an engine, whatever brings it there: a serial port, a bus, a stream."""

from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.program import Fault, Region

__all__ = ["AccessLayout", "HostSignature", "WordAddress"]

WordAddress = unsigned(16)
"""Of a word of any memory, as hosts know it: more bits than any memory needs."""

AccessLayout = data.StructLayout({
    "write": 1, "region": Region, "address": WordAddress, "length": 16,
})
"""``length`` bytes to a memory or from it, from word ``address`` of ``region`` on."""

HostSignature = wiring.Signature({
    "access": Out(stream.Signature(AccessLayout)),
    "write": Out(stream.Signature(8)),
    "read": In(stream.Signature(8)),
    "start": Out(1),
    "limit": Out(16),
    "reset": Out(1),
    "busy": In(1),
    "cycles": In(32),
    "stalls": In(32),
    "fault": In(Fault),
    "layers": In(16),
})
"""An engine, from the side of its host.

access : an access to a memory, which comes to its turn while no program runs
write : exactly ``length`` bytes, after an access that writes
read : exactly ``length`` bytes, after an access that reads
start : pulse: run the program; ``limit`` is the most cycles, in units of
    :data:`nhot.contract.program.LIMIT_CYCLES`
reset : pulse: abort, two cycles later back to idle; memories keep their contents
busy : a program runs
cycles, stalls : of the run, or of the last one
fault : why the last run ended before its END
layers : descriptors that the run has finished
"""
