"""Multipliers of few terms: scales and gains of filters that are chosen for them, and stay."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nhot.quant.activations import ActivationQuant
from nhot.quant.weights import Multipliers, WeightQuant

__all__ = ["ShortMultipliers"]


class ShortMultipliers(nn.Module):
    """Keeps the product of each filter's scale and gain where its multiplier is short.

    A multiplier is that product, times the scale of what the layer reads, over that of what it
    makes. The two are powers of two (times a unit), so that a product that suits them once suits
    them when ranges move. Training moves gains (those of batch normalisation follow its statistics)
    and scales; what that changes is undone by :meth:`stretch`. A product that followed them, always
    to the nearest short multiplier, would jump, by a factor of two with one term, and with it all
    that later layers have learnt.

    Parameters
    ----------
    terms : int
        Most signed powers of two of a multiplier.
    source, made : ActivationQuant
        Roundings of what the layer reads and makes.
    filters : int

    Attributes
    ----------
    product : (filters,) float64
        Scale times magnitude of the gain, or zero where none is chosen.
    """

    product: Tensor

    def __init__(self, terms: int, source: ActivationQuant, made: ActivationQuant, filters: int):
        super().__init__()
        self.terms = terms
        self._ends = (source, made)  # in a tuple they are not parts of this module
        self.register_buffer("product", torch.zeros(filters, dtype=torch.float64))

    @property
    def chosen(self) -> bool:
        """Whether there are products to keep."""
        return bool(self.product.any())

    @torch.no_grad()
    def choose(self, weights: WeightQuant, weight: Tensor, gain: Tensor) -> None:
        """Choose scales of ``weights`` and products for the present ranges, if there are ranges.

        ``gain`` is the magnitude of each filter's, (filters,) float64.
        """
        if not all(end.known for end in self._ends):
            return
        source, made = (end.tensor(end.name, (1, 1, 1)).scale for end in self._ends)
        multipliers = self._multipliers(gain, source, made)
        weights.search(weight, multipliers)
        self.product.copy_(multipliers.nearest(weights.scale(weight)) * gain)

    def release(self) -> None:
        """Choose nothing: scales and gains are trained freely, and :meth:`exact` rounds them."""
        self.product.zero_()

    def stretch(self, scale: Tensor, gain: Tensor) -> Tensor:
        """The products over what scales and gains are now, 1 where none is chosen. (filters,)"""
        return self._wanted(scale, gain) / scale

    def exact(self, scale: Tensor, gain: Tensor, source: float, made: float) -> Tensor:
        """The same between activations of the scales ``source`` and ``made``, for the integers.

        Where no product is chosen, the multiplier is the nearest short one.
        """
        return self._multipliers(gain, source, made).nearest(self._wanted(scale, gain)) / scale

    def _wanted(self, scale: Tensor, gain: Tensor) -> Tensor:
        """The scales that give the products, with the gains as they are."""
        return torch.where((self.product > 0) & (gain > 0), self.product / gain, scale)

    def _multipliers(self, gain: Tensor, source: float, made: float) -> Multipliers:
        return Multipliers(self.terms, made / (source * gain))
