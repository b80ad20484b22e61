"""An engine on a bus that is a process: its registers are read and written through pipes."""

from pathlib import Path

from nhot.contract.config import EngineConfig
from nhot_hw.buses import Bus, EngineOnBus
from nhot_hw.verilog import to_verilog
from nhot_sim.verilator import Program

__all__ = ["build_bus_engine"]

_HARNESS = Path(__file__).parent / "harness" / "bus.cpp"


def build_bus_engine(config: EngineConfig, bus: Bus, *, buffer: int = 1) -> Path:
    """The program, compiled by Verilator and kept in the cache; ``bus.cpp`` says what it takes."""
    engine = EngineOnBus(config, bus, buffer=buffer)
    program = Program(verilog=to_verilog(engine, "engine"), top="engine", main=_HARNESS)
    return program.build()
