"""How memories are reached, whatever brings the bytes: a serial port, a bus, a stream."""

from amaranth.lib import data

__all__ = ["AccessLayout"]

#: An access to a memory: ``length`` bytes from word ``address`` of ``region`` on, to it or from it.
AccessLayout = data.StructLayout({"write": 1, "region": 4, "address": 16, "length": 16})
