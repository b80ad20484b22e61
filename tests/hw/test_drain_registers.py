"""What many bits hang on comes out of a register, not out of a gate behind one."""

from amaranth.hdl import Fragment

from nhot.contract.config import EngineConfig
from nhot_hw.engine.drain import Drain


def test_the_readout_and_the_requantisers_are_told_by_registers():
    """Each of these goes to hundreds of bits of a large engine, which takes most of a cycle."""
    statements = Fragment.get(Drain(EngineConfig()), None).statements["sync"]
    registers = {signal.name for signal in statements._lhs_signals()}
    assert {"o_capture", "o_shift", "o_fresh", "o_operand"} <= registers
