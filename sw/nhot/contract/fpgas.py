"""The FPGAs of the boards, and what each has, by the tables of their data sheets."""

from nhot.contract.board import Fpga

__all__ = ["LFE5U_85F", "UP5K"]

UP5K = Fpga(name="iCE40 UP5K", family="ice40", luts=5280, block_memories=30, dsps=8)

LFE5U_85F = Fpga(
    name="ECP5 LFE5U-85F", family="ecp5", luts=83640, block_memories=208, dsps=156
)
