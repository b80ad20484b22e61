"""MuseLab iCESugar: iCE40 UP5K, serial port through iCELink."""

from nhot.contract.board import Board, Flash
from nhot.contract.engines import UP5K_2HOT, UP5K_SIGNED_BINARY
from nhot.contract.fpgas import UP5K

BOARDS = (
    Board(
        name="icesugar", title="MuseLab iCESugar", fpga=UP5K,
        input_hz=12_000_000, loader="", flash=Flash(size=8 << 20, offset=1 << 20),
        remark="icesprog loads bitstreams, or a copy to the drive that iCELink shows",
        configurations={
            "2hot": (30_000_000, UP5K_2HOT),
            "signed-binary": (30_000_000, UP5K_SIGNED_BINARY),
        },
    ),
)
