"""Digilent Arty A7: Artix-7, serial port through the FTDI chip."""

from nhot.contract.board import Board, Flash
from nhot.contract.engines import LFE5U_25F_2HOT
from nhot.contract.fpgas import XC7A35T

BOARDS = (
    Board(
        name="arty-a7-35t", title="Digilent Arty A7-35T", fpga=XC7A35T,
        input_hz=100_000_000, loader="arty_a7_35t", flash=Flash(size=16 << 20, offset=4 << 20),
        # At the clock of the other boards with this engine, so that times of an image are right.
        configurations={
            "2hot": (60_000_000, LFE5U_25F_2HOT),
        },
        remark="untested: nhot build writes a project for Vivado, which was never run on it",
    ),
)
