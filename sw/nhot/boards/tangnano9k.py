"""Sipeed Tang Nano 9K: Gowin GW1NR-9, serial port through the BL702."""

from nhot.contract.board import Board, Flash
from nhot.contract.config import EngineConfig
from nhot.contract.fpgas import GW1NR_9

BOARDS = (
    Board(
        name="tangnano9k", title="Sipeed Tang Nano 9K", fpga=GW1NR_9,
        input_hz=27_000_000, loader="tangnano9k", flash=Flash(size=4 << 20, offset=0, second=True),
        remark="bitstreams are kept in the FPGA itself, and all of the SPI flash is free",
        configurations={
            "2hot": (54_000_000, EngineConfig(
                pixels=1, filters=4, inputs=4, requantisers=1, format="2hot",
                accumulator_bits=22, product_bits=40, activation_words=2048, weight_words=1024,
                requant_words=512, program_words=512,
            )),
        },
    ),
)
