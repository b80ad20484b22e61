"""Radiona ULX3S: ECP5, serial port through the FTDI chip."""

from nhot.contract.board import Board, Flash
from nhot.contract.config import EngineConfig
from nhot.contract.engines import LFE5U_25F_2HOT, LFE5U_45F_2HOT
from nhot.contract.fpgas import LFE5U_25F, LFE5U_45F, LFE5U_85F

BOARDS = (
    Board(
        name="ulx3s-25f", title="Radiona ULX3S with 25F", fpga=LFE5U_25F,
        input_hz=25_000_000, loader="ulx3s", flash=Flash(size=4 << 20, offset=2 << 20),
        configurations={
            "2hot": (60_000_000, LFE5U_25F_2HOT),
        },
    ),
    Board(
        name="ulx3s-45f", title="Radiona ULX3S with 45F", fpga=LFE5U_45F,
        input_hz=25_000_000, loader="ulx3s", flash=Flash(size=4 << 20, offset=2 << 20),
        configurations={
            "2hot": (60_000_000, LFE5U_45F_2HOT),
        },
    ),
    Board(
        name="ulx3s-85f", title="Radiona ULX3S with 85F", fpga=LFE5U_85F, input_hz=25_000_000,
        loader="ulx3s", flash=Flash(size=4 << 20, offset=2 << 20),
        configurations={
            "2hot": (60_000_000, EngineConfig(
                pixels=1, filters=16, inputs=4, requantisers=4, format="2hot",
                accumulator_bits=24, activation_words=8192, weight_words=2048,
                requant_words=1024, program_words=512,
            )),
            "signed-binary": (60_000_000, EngineConfig(
                pixels=1, filters=16, inputs=8, requantisers=4, format="signed-binary",
                accumulator_bits=24, activation_words=8192, weight_words=4096,
                requant_words=1024, program_words=512,
            )),
            # All four networks of MLPerf Tiny fit this one.
            "2hot-256": (55_000_000, EngineConfig(
                pixels=1, filters=16, inputs=16, requantisers=16, requant_terms=2, format="2hot",
                lane="chain", depthwise=True, accumulator_bits=24, product_bits=40,
                activation_words=6912, weight_words=1040, requant_words=512, program_words=512,
            )),
            # Image classification and keyword spotting fit this one. Multipliers of one term take a
            # cycle, of two terms two.
            "2hot-512": (50_000_000, EngineConfig(
                pixels=2, filters=16, inputs=16, requantisers=16, format="2hot", lane="chain",
                accumulator_bits=24, product_bits=40,
                activation_words=6144, weight_words=1024, requant_words=512, program_words=512,
            )),
        },
    ),
)
