"""1BitSquared iCEBreaker: iCE40 UP5K, serial port through the FTDI chip."""

from nhot.contract.board import Board, Flash
from nhot.contract.config import EngineConfig
from nhot.contract.fpgas import UP5K

BOARDS = (
    Board(
        name="icebreaker", title="1BitSquared iCEBreaker", fpga=UP5K, input_hz=12_000_000,
        loader="ice40_generic", flash=Flash(size=16 << 20, offset=1 << 20),
        configurations={
            "2hot": (24_000_000, EngineConfig(
                pixels=1, filters=2, inputs=4, requantisers=1, format="2hot",
                accumulator_bits=22, product_bits=40, activation_words=1024, weight_words=512,
                requant_words=256, program_words=256,
            )),
            "signed-binary": (24_000_000, EngineConfig(
                pixels=1, filters=4, inputs=8, requantisers=1, format="signed-binary",
                lane="chain", accumulator_bits=20, product_bits=40, activation_words=512,
                weight_words=512, requant_words=256, program_words=256,
            )),
        },
    ),
)
