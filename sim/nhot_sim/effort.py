"""How long the simulators take for an image, and which of them is the faster."""

from __future__ import annotations

from typing import Literal

from nhot.compiler import Image
from nhot.contract.cycles import program_cycles
from nhot.contract.program import unpack_program

__all__ = ["amaranth_seconds", "faster_simulator", "run_cycles"]

Simulator = Literal["icarus", "verilator"]

# Seconds, measured on the engines of both boards. Only which is the larger decides anything.
_ICARUS_MAC_CYCLE = 15e-6
_AMARANTH_CYCLE, _AMARANTH_MAC_CYCLE = 280e-6, 15e-6
_VERILATOR_BUILD, _VERILATOR_MAC_BUILD = 12.0, 0.3


def run_cycles(image: Image) -> int:
    """Cycles of a run, as the engine counts them."""
    return sum(program_cycles(unpack_program(image.program), image.config))


def faster_simulator(image: Image, inputs: int) -> Simulator:
    """The simulator that needs less time for ``inputs`` runs of the engine's Verilog.

    Icarus starts at once, Verilator is a hundred times faster once it has compiled the engine. The
    one that is installed, if only one is.
    """
    from nhot_sim.runner import missing_tool

    if missing_tool("verilator"):
        return "icarus"
    if missing_tool("icarus"):
        return "verilator"
    macs = image.config.macs
    # A cycle for each bit of the weights, as the loader takes them.
    cycles = inputs * run_cycles(image) + 8 * len(image.weights)
    interpreted = cycles * macs * _ICARUS_MAC_CYCLE
    compiled = _VERILATOR_BUILD + macs * _VERILATOR_MAC_BUILD
    return "icarus" if interpreted < compiled else "verilator"


def amaranth_seconds(image: Image, inputs: int) -> float:
    """About how long Amaranth's simulator takes for ``inputs`` runs."""
    cycle = _AMARANTH_CYCLE + image.config.macs * _AMARANTH_MAC_CYCLE
    return inputs * run_cycles(image) * cycle
