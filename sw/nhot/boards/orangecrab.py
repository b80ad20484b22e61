"""OrangeCrab: ECP5, serial port on the header, for want of a chip for it."""

from nhot.contract.board import Board, Flash
from nhot.contract.engines import LFE5U_25F_2HOT
from nhot.contract.fpgas import LFE5U_25F

BOARDS = (
    Board(
        name="orangecrab", title="OrangeCrab r0.2 with 25F", fpga=LFE5U_25F,
        input_hz=48_000_000, loader="orangeCrab", flash=Flash(size=16 << 20, offset=4 << 20),
        remark="a serial adapter of 3.3 V goes to the header: its TX to pin 0, its RX to pin 1",
        configurations={
            "2hot": (60_000_000, LFE5U_25F_2HOT),
        },
    ),
)
