"""How wide the sums and products of a layer get, to the bit: what the engine must hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nhot.compiler.layout import offset
from nhot.compiler.lower import Layer
from nhot.compiler.pack import hardware_bias, inverted
from nhot.contract.config import EngineConfig
from nhot.contract.program import Operation
from nhot.formats.format import Ints
from nhot.network.bounds import sum_bound
from nhot.network.requant import SHIFT

__all__ = ["Widths", "layer_widths"]

_OPERANDS_BITS = 16
"""An addition hands its two operands on side by side, as the two bytes of a sum."""


@dataclass(frozen=True, kw_only=True)
class Widths:
    """Bits of two's complement numbers, each the fewest that hold a layer whatever its input.

    Parameters
    ----------
    accumulator : int
        Of its sums, before and after the bias is added.
    window : int
        Of the sums of an average pool, before the bias; else 0.
    product : int
        Of its requantisation, rounding and zero point included.
    """

    accumulator: int
    window: int
    product: int


def layer_widths(layer: Layer, config: EngineConfig) -> Widths:
    """The widths that ``layer`` needs on an engine with the lanes of ``config``."""
    low, high = _sums(layer, config)
    bias = hardware_bias(layer, config)
    ends = np.stack([low + bias, high + bias])
    products = np.sort(ends * layer.requant.multiplier, axis=0)
    if layer.operation is Operation.ADD:  # both operands' products into one
        products = products.sum(axis=1, keepdims=True)
    bits = _signed_bits(low, high, ends)
    return Widths(
        accumulator=max(bits, _OPERANDS_BITS) if layer.operation is Operation.ADD else bits,
        window=_signed_bits(low, high) if layer.operation is Operation.SUM else 0,
        product=_signed_bits(
            products + (layer.requant.zero_point << SHIFT) + (1 << (SHIFT - 1))
        ),
    )


def _sums(layer: Layer, config: EngineConfig) -> tuple[Ints, Ints]:
    """The least and the greatest sum of each filter, or record, as the engine forms it."""
    tensors = [held.tensor for held in layer.inputs]
    low = np.array([tensor.low + offset(tensor) for tensor in tensors])
    high = np.array([tensor.high + offset(tensor) for tensor in tensors])
    if layer.levels is not None:
        operands = np.split(layer.levels, len(tensors), axis=1)
        ends = zip(operands, low.tolist(), high.tolist(), strict=True)
        least, most = np.sum([sum_bound(*operand) for operand in ends], axis=0)
        missing = inverted(layer, config)
        return least - missing, most - missing
    taps = layer.window.taps if layer.operation is Operation.SUM else 1
    return taps * low, taps * high


def _signed_bits(*values: Ints) -> int:
    flat = np.concatenate([value.reshape(-1) for value in values])
    return max(int(v if v >= 0 else ~v).bit_length() for v in (flat.min(), flat.max())) + 1
