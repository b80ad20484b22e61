"""Sipeed Tang Nano 20K: Gowin GW2AR-18, serial port through the BL616."""

from nhot.contract.board import Board, Flash
from nhot.contract.config import EngineConfig
from nhot.contract.fpgas import GW2AR_18

BOARDS = (
    Board(
        name="tangnano20k", title="Sipeed Tang Nano 20K", fpga=GW2AR_18,
        input_hz=27_000_000, loader="tangnano20k", flash=Flash(size=8 << 20, offset=4 << 20),
        configurations={
            "2hot": (54_000_000, EngineConfig(
                pixels=1, filters=8, inputs=4, requantisers=2, format="2hot",
                accumulator_bits=24, product_bits=40, activation_words=4096, weight_words=1280,
                requant_words=1024, program_words=512,
            )),
        },
    ),
)
