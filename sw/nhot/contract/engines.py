"""Engines that more than one board comes with, by the FPGA that they are made for.

An image for one of them runs on each of its boards.
"""

from nhot.contract.config import EngineConfig

__all__ = ["LFE5U_25F_2HOT", "LFE5U_45F_2HOT", "UP5K_2HOT", "UP5K_SIGNED_BINARY"]

UP5K_2HOT = EngineConfig(
    pixels=1, filters=2, inputs=4, requantisers=1, format="2hot", accumulator_bits=22,
    product_bits=40, activation_words=1024, weight_words=512, requant_words=256, program_words=256,
)
UP5K_SIGNED_BINARY = EngineConfig(
    pixels=1, filters=4, inputs=8, requantisers=1, format="signed-binary", lane="chain",
    accumulator_bits=20, product_bits=40, activation_words=512, weight_words=512, requant_words=256,
    program_words=256,
)

# DS-CNN fits this one, with a sixth of the block memories to spare.
LFE5U_25F_2HOT = EngineConfig(
    pixels=1, filters=8, inputs=4, requantisers=2, format="2hot", accumulator_bits=24,
    product_bits=40, activation_words=4096, weight_words=2048, requant_words=1024,
    program_words=512,
)
# ResNet-8, too.
LFE5U_45F_2HOT = EngineConfig(
    pixels=1, filters=16, inputs=4, requantisers=4, format="2hot", accumulator_bits=24,
    product_bits=40, activation_words=12288, weight_words=1536, requant_words=1024,
    program_words=512,
)
