"""1BitSquared iCEBreaker: iCE40 UP5K, serial port through the FTDI chip."""

from nhot.contract.board import Board, Flash
from nhot.contract.config import EngineConfig
from nhot.contract.engines import UP5K_2HOT, UP5K_SIGNED_BINARY
from nhot.contract.fpgas import UP5K

BOARDS = (
    Board(
        name="icebreaker", title="1BitSquared iCEBreaker", fpga=UP5K,
        input_hz=12_000_000, loader="ice40_generic", flash=Flash(size=16 << 20, offset=1 << 20),
        configurations={
            "2hot": (30_000_000, UP5K_2HOT),
            "signed-binary": (30_000_000, UP5K_SIGNED_BINARY),
            # Activations and weights in the four large memories: ResNet-8 and DS-CNN fit.
            "signed-binary-large": (30_000_000, EngineConfig(
                pixels=1, filters=8, inputs=4, requantisers=1, format="signed-binary",
                lane="chain", single_port=True, accumulator_bits=19, product_bits=42,
                activation_words=16384, weight_words=16384, requant_words=2048, program_words=256,
            )),
        },
    ),
)
