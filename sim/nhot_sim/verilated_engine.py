"""An engine that is a process: its Verilog in Verilator, driven through its host ports.

Unlike a :class:`nhot_sim.virtual_board.VirtualBoard` it has no serial line: what a host writes and
reads takes a cycle a byte, and whole networks are simulated in seconds.
"""

from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from nhot.closing import Closing
from nhot.contract.config import EngineConfig
from nhot.contract.program import Fault, Region
from nhot.errors import DeviceError
from nhot_hw.engine.host import AccessLayout
from nhot_sim.engine_simulation import accesses

__all__ = ["EngineRun", "VerilatedEngine"]

_HARNESS = Path(__file__).parent / "harness" / "engine.cpp"
_ACCESS = struct.Struct("<cQI")
_GO = struct.Struct("<cI")
_RUN = struct.Struct("<5I")
_TIME = struct.Struct("<2Q")


@dataclass(frozen=True, kw_only=True)
class EngineRun:
    """What an engine says of a run: ``layers`` are those that it has finished."""

    cycles: int
    stalls: int
    fault: Fault
    layers: int


class VerilatedEngine(Closing):
    """The engine of ``config``, as a context manager. It is compiled once and kept in the cache."""

    def __init__(self, config: EngineConfig) -> None:
        from nhot_hw.verilog import to_verilog
        from nhot_sim.engine_ports import EnginePorts
        from nhot_sim.verilator import Program

        self.config = config
        program = Program(
            verilog=to_verilog(EnginePorts(config), "engine"), top="engine", main=_HARNESS,
            optimise="-O2",
        )
        self._process = subprocess.Popen(
            [program.build()], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def write(self, region: Region, address: int, data: bytes) -> None:
        """Write whole words from word ``address`` on."""
        for word, first, count in accesses(self.config, region, address, len(data)):
            self._send(_ACCESS.pack(b"W", _payload(True, region, word, count), count)
                       + data[first : first + count])

    def read(self, region: Region, address: int, length: int) -> bytes:
        """``length`` bytes, which is whole words, from word ``address`` on."""
        data = b""
        for word, _, count in accesses(self.config, region, address, length):
            self._send(_ACCESS.pack(b"R", _payload(False, region, word, count), count))
            data += self._receive(count)
        return data

    def run(self, limit: int) -> EngineRun:
        """Run the program; ``limit`` is the most cycles, in units of ``LIMIT_CYCLES``."""
        self._send(_GO.pack(b"G", limit))
        cycles, stalls, fault, layers, ended = _RUN.unpack(self._receive(_RUN.size))
        if not ended:
            raise DeviceError(f"Engine must end a run within its limit, not run on after {cycles} "
                              "cycles")
        return EngineRun(cycles=cycles, stalls=stalls, fault=Fault(fault), layers=layers)

    def time(self) -> tuple[int, float]:
        """Clock cycles simulated so far, and the seconds of processor time that they took."""
        self._send(b"T")
        cycles, microseconds = _TIME.unpack(self._receive(_TIME.size))
        return cycles, microseconds / 1e6

    def close(self) -> None:
        """End the process and wait for it. Does nothing the second time."""
        if not self._process.stdin.closed:
            self._process.communicate()

    def _send(self, data: bytes) -> None:
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise _gone() from None

    def _receive(self, count: int) -> bytes:
        data = self._process.stdout.read(count)
        if len(data) < count:
            raise _gone()
        return data


def _payload(write: bool, region: Region, address: int, length: int) -> int:
    access = {"write": write, "region": region, "address": address, "length": length}
    return AccessLayout.const(access).as_bits()


def _gone() -> DeviceError:
    return DeviceError("Engine in simulation must take and give what it is asked, but it stopped")
