"""Icepi Zero: ECP5, serial port through the FTDI chip."""

from nhot.contract.board import Board, Flash
from nhot.contract.engines import LFE5U_25F_2HOT
from nhot.contract.fpgas import LFE5U_25F

BOARDS = (
    Board(
        name="icepi-zero", title="Icepi Zero v1.3", fpga=LFE5U_25F,
        input_hz=50_000_000, loader="icepi-zero", flash=Flash(size=16 << 20, offset=1 << 20),
        configurations={
            "2hot": (60_000_000, LFE5U_25F_2HOT),
        },
    ),
)
