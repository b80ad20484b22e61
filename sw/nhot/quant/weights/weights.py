"""What every quantiser of weights has."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from nhot.errors import NhotError
from nhot.formats import Binary, Format, SignedBinary
from nhot.quant.weights.multipliers import Multipliers

__all__ = ["WeightQuant"]

MOST_BITS = 32  # of a sum: biases and the accumulators of engines have no more


class WeightQuant(nn.Module, ABC):
    """Base: ``forward(weight)`` gives the quantised weight, with straight-through gradients.

    ``weight`` is (filters, ...), float.

    Attributes
    ----------
    progress : float
        Part of the training that is done, 0 to 1; gradient schedules depend on it.
    limit : int or None
        Most that the positive levels of a filter, and its negative ones, may each add up to.
    """

    def __init__(self, format: Format):
        super().__init__()
        self.format = format
        self.progress = 0.0
        self.limit: int | None = None

    def limit_accumulator(self, bits: int, input_bits: int, weight: Tensor) -> None:
        """Keep every sum over inputs of ``input_bits`` within ``bits``, whatever the inputs are.

        ``weight`` is what the scale is to suit under the limit.

        A sum is at most ``2**input_bits`` times the positive levels or the negative ones, whether
        the inputs are unsigned, signed, or unsigned and stored less half their range; so both are
        limited to ``(2**(bits-1) - 1) >> input_bits``, and signed-binary, whose sums have one sign,
        to ``(2**bits - 1) >> input_bits``. Source: A2Q+, arXiv 2401.10432, whose zero-centred
        filters have this budget; with both signs limited no filter needs to be centred.
        """
        one_sided = isinstance(self.format, SignedBinary) and not self.format.tile
        least = input_bits + (not one_sided) + 1
        if isinstance(self.format, Binary):
            raise NhotError("Format with an accumulator limit must have a zero, not binary")
        if not least <= bits <= MOST_BITS:
            raise NhotError(
                f"Accumulator bits must be {least} to {MOST_BITS} for inputs of {input_bits} bits, "
                f"not {bits}"
            )
        self.limit = ((1 << (bits if one_sided else bits - 1)) - 1) >> input_bits

    def search(self, weight: Tensor, multipliers: Multipliers) -> None:
        """Choose scales for ``weight`` anew, among those of ``multipliers``, if there is a choice.

        A mean of the weights is none: such scales stay as they are.
        """

    @abstractmethod
    def scale(self, weight: Tensor) -> Tensor:
        """The scale of each filter. (filters,) as ``weight``, no gradient"""

    @abstractmethod
    def integers(self, weight: Tensor) -> tuple[Tensor, NDArray[np.float64]]:
        """What :meth:`forward` multiplies: levels, shaped as ``weight``, and (filters,) scales."""
