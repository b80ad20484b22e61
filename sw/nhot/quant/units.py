"""Activation scales between which additions, concatenations and average pools only shift."""

from __future__ import annotations

from collections.abc import Iterable

from nhot.quant.activations import ActivationQuant
from nhot.quant.layers import QuantAdd, QuantAvgPool, QuantConcat, QuantLayer, RoundingLayer

__all__ = ["origins", "share_units"]


def origins(layers: Iterable[QuantLayer]) -> dict[str, ActivationQuant]:
    """By the name of each layer the rounding whose grid its integers are on."""
    found: dict[str, ActivationQuant] = {}
    for layer in layers:
        if isinstance(layer, RoundingLayer):
            found[layer.name] = layer.rounding
        else:
            found[layer.name] = found[layer.sources[0]]
    return found


def share_units(layers: Iterable[QuantLayer]) -> None:
    """Let the scale of every activation be a power of two times a unit, from now on.

    The unit is one, but for what an average pool makes: that of its input over the size of its
    window. What joins and pools read and make has units that fit each other, so that their
    multipliers are powers of two; where a range is known, its scale is the unit of those it is
    joined with. If that cannot be (a sum of a tensor and its mean over three by three), the
    relation that comes later in the network is the one that fails.
    """
    layers = list(layers)
    roundings = origins(layers)
    groups = {rounding: {rounding: 1.0} for rounding in roundings.values()}
    for layer in layers:
        if isinstance(layer, QuantAdd | QuantConcat | QuantAvgPool):
            part = 1 / layer.window.taps if isinstance(layer, QuantAvgPool) else 1.0
            for source in layer.sources:
                _relate(groups, roundings[source], layer.rounding, part)
    for group in groups.values():
        for known in (rounding for rounding in group if rounding.fixed):
            unit = known.tensor(known.name, (1, 1, 1)).scale / group[known]
            break
        else:
            unit = 1.0
        for rounding, relative in group.items():
            rounding.unit = None if rounding.fixed else unit * relative


def _relate(
    groups: dict[ActivationQuant, dict[ActivationQuant, float]],
    source: ActivationQuant, made: ActivationQuant, part: float,
) -> None:
    """Let the unit of ``made`` be ``part`` of that of ``source``, unless both are related already.

    A group has the units of its members, relative to each other.
    """
    one, other = groups[source], groups[made]
    if one is other:
        return
    factor = one[source] * part / other[made]
    for member, unit in other.items():
        one[member] = unit * factor
        groups[member] = one
