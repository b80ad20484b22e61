"""The FPGAs of the boards, and what each has, by the tables of their data sheets."""

from nhot.contract.board import Fpga

__all__ = [
    "GW1NR_9", "GW2AR_18", "LFE5UM5G_45F", "LFE5U_25F", "LFE5U_45F", "LFE5U_85F", "UP5K",
    "XC7A35T",
]

UP5K = Fpga(name="iCE40 UP5K", family="ice40", luts=5280, block_memories=30, dsps=8)

LFE5U_25F = Fpga(
    name="ECP5 LFE5U-25F", family="ecp5", luts=24288, block_memories=56, dsps=28
)
LFE5U_45F = Fpga(
    name="ECP5 LFE5U-45F", family="ecp5", luts=43848, block_memories=108, dsps=72
)
LFE5UM5G_45F = Fpga(
    name="ECP5 LFE5UM5G-45F", family="ecp5", luts=43848, block_memories=108, dsps=72
)
LFE5U_85F = Fpga(
    name="ECP5 LFE5U-85F", family="ecp5", luts=83640, block_memories=208, dsps=156
)

GW1NR_9 = Fpga(name="Gowin GW1NR-9", family="gowin", luts=8640, block_memories=26, dsps=20)
GW2AR_18 = Fpga(name="Gowin GW2AR-18", family="gowin", luts=20736, block_memories=46, dsps=48)

XC7A35T = Fpga(name="Artix-7 XC7A35T", family="series7", luts=20800, block_memories=50, dsps=90)
