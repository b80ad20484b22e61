"""LambdaConcept ECPIX-5: ECP5, serial port through the FTDI chip."""

from nhot.contract.board import Board, Flash
from nhot.contract.engines import LFE5U_45F_2HOT
from nhot.contract.fpgas import LFE5UM5G_45F

BOARDS = (
    Board(
        name="ecpix-5", title="LambdaConcept ECPIX-5 with 45F", fpga=LFE5UM5G_45F,
        input_hz=100_000_000, loader="ecpix5", flash=Flash(size=16 << 20, offset=4 << 20),
        configurations={
            "2hot": (60_000_000, LFE5U_45F_2HOT),
        },
    ),
)
