"""MuseLab's extension board with a Colorlight i5: ECP5, serial port through its CMSIS-DAP."""

from nhot.contract.board import Board, Flash
from nhot.contract.engines import LFE5U_25F_2HOT
from nhot.contract.fpgas import LFE5U_25F

BOARDS = (
    Board(
        name="colorlight-i5", title="Colorlight i5 on its extension board", fpga=LFE5U_25F,
        input_hz=25_000_000, loader="colorlight-i5", flash=Flash(size=2 << 20, offset=1 << 20),
        configurations={
            "2hot": (60_000_000, LFE5U_25F_2HOT),
        },
    ),
)
