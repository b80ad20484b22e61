"""MuseLab's extension board with a Colorlight i9: ECP5, serial port through its CMSIS-DAP."""

from nhot.contract.board import Board, Flash
from nhot.contract.engines import LFE5U_45F_2HOT
from nhot.contract.fpgas import LFE5U_45F

BOARDS = (
    Board(
        name="colorlight-i9", title="Colorlight i9 on its extension board", fpga=LFE5U_45F,
        input_hz=25_000_000, loader="colorlight-i9", flash=Flash(size=8 << 20, offset=2 << 20),
        configurations={
            "2hot": (60_000_000, LFE5U_45F_2HOT),
        },
    ),
)
