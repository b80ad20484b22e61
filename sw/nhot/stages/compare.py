"""Two stages layer by layer: where they begin to differ, by how much, and whose doing it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, log10

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.experiments.data.dataset import Floats
from nhot.formats.format import Ints
from nhot.network import Add, AvgPool, Concat, Filters, Network, Tensor
from nhot.network.node import Node
from nhot.network.reference import run_node
from nhot.stages.stage import Reals, Stage, Traced, real
from nhot.stages.stages import BoardStage, NetworkStage

__all__ = ["LEAST", "Comparison", "LayerDifference", "compare", "sqnr"]

LEAST = 20.0
"""Decibels of signal to error below which a layer differs, where integers need not be equal."""


@dataclass(frozen=True, kw_only=True)
class LayerDifference:
    """A tensor of A beside that of B.

    Parameters
    ----------
    layer, operator : str
        ``operator`` is empty where neither stage is a network.
    sqnr : float
        Energy of A's values to that of the difference, in decibels; infinite where they are equal.
    own : float, optional
        The same of what B's layer alone makes of A's values; where only A is a network, of what A's
        layer makes of B's.
    largest : float
        Difference of two values.
    units : float, optional
        The same in units of B's integers, or of A's where B has none.
    own_units : float, optional
        Of what B's layer alone makes of A's values.
    differing : float
        Part of the values that differ.
    clipped, shift, rounding : float
        Parts of the energy of B's own difference (or else of the whole) that are due to values
        beyond B's range, to the mean of each channel, and to the rounding of B's output.
    differs : bool
    """

    layer: str
    operator: str
    sqnr: float
    own: float | None
    largest: float
    units: float | None
    own_units: float | None
    differing: float
    clipped: float
    shift: float
    rounding: float
    differs: bool


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All tensors that both stages have.

    Parameters
    ----------
    exact : bool
        Whether both compute the same integers, so that any difference is one.
    least : float
        Decibels below which a layer differs, where integers need not be equal.
    layers : tuple of LayerDifference
        In A's order, the output last.
    classes : float, optional
        Part of the samples whose largest output is the same, of outputs that are vectors.
    samples : int
    """

    exact: bool
    least: float
    layers: tuple[LayerDifference, ...]
    classes: float | None
    samples: int

    @property
    def first(self) -> LayerDifference | None:
        """The first layer that differs."""
        return next((one for one in self.layers if one.differs), None)


def compare(a: Stage, b: Stage, x: Floats, *, least: float = LEAST) -> Comparison:
    """Run both on samples ``x`` (samples, channels, height, width); A is what B is judged by.

    Two stages of one integer network must agree in every integer. Where A and B have integers on
    one grid, as a quantised file and its network, each layer of B must be within one unit given
    what A made before; else the signal of a layer must be ``least`` decibels above the difference.

    Raises
    ------
    NhotError
        Samples do not fit, or the stages have nothing in common.
    """
    ours, theirs = a.trace(x), b.trace(x)
    pairs = list(_pairs(ours, theirs))
    if not pairs:
        raise NhotError("Both must give outputs of one shape, to be compared, not "
                        f"{ours[-1].values.shape[1:]} and {theirs[-1].values.shape[1:]} "
                        "(height, width, channels)")
    exact = a.network is not None and b.network is not None and _same(a.network, b.network)
    # Whichever of both is a network says what a layer alone makes of what the other one made.
    of_a = not _computes(b) and _computes(a)
    alone = _alone(a, theirs) if of_a else _alone(b, ours)
    rows = tuple(
        _row(name, one, other, b.network or a.network, alone, of_a=of_a, exact=exact, least=least)
        for name, one, other in pairs
    )
    _, last, other = pairs[-1]
    vector = last.values.shape[1:3] == (1, 1) and last.values.shape[3] > 1
    same = last.values.argmax(axis=3) == other.values.argmax(axis=3)
    return Comparison(exact=exact, least=least, layers=rows, samples=len(x),
                      classes=float(same.mean()) if vector else None)


def sqnr(signal: NDArray[np.float64], difference: NDArray[np.float64]) -> float:
    """Decibels of ``signal`` above ``difference``; infinite without a difference."""
    noise, energy = float((difference**2).sum()), float((signal**2).sum())
    if noise == 0:
        return inf
    return 10 * log10(energy / noise) if energy else -inf


def _by_name(tensors: Sequence[Traced]) -> Iterator[tuple[str, Traced]]:
    """Own names win over what else a tensor may be called."""
    for one in tensors:
        yield from ((name, one) for name in one.names[1:])
    for one in tensors:
        yield one.names[0], one


def _pairs(
    ours: Sequence[Traced], theirs: Sequence[Traced]
) -> Iterator[tuple[str, Traced, Traced]]:
    """Tensors of one name and shape; inputs are inputs and outputs outputs, whatever their names.
    """
    known = dict(_by_name(theirs))
    for place, one in enumerate(ours):
        if place == len(ours) - 1:
            other: Traced | None = theirs[-1]
        elif place == 0:
            other = theirs[0]
        else:
            other = next((known[name] for name in one.names if name in known), None)
        if other is not None and other.values.shape == one.values.shape:
            shared = (name for name in other.names if name in one.names)
            yield next(shared, other.names[0]), one, other


def _same(one: Network, other: Network) -> bool:
    """Whether two networks have the same tensors and weights."""
    def parts(network: Network) -> list[object]:
        return [
            (node.output, node.inputs, node.weights.tobytes(), node.bias.tobytes(),
             node.requant.multiplier.tobytes()) if isinstance(node, Filters)
            else (node.output, node.inputs) for node in network.nodes
        ]

    return one is other or (one.input == other.input and parts(one) == parts(other))


def _computes(stage: Stage) -> bool:
    """Whether it is the reference that computes, or what was proved to be the same."""
    return isinstance(stage, NetworkStage) and not isinstance(stage, BoardStage)


def _alone(stage: Stage, others: Sequence[Traced]) -> dict[str, Ints]:
    """What each layer of a network makes of values of another stage, rounded to what it reads."""
    if not _computes(stage) or stage.network is None:
        return {}
    network, made = stage.network, {}
    named = {**dict(_by_name(others)), network.input.name: others[0]}
    for node in network.nodes:
        tensors = network.inputs(node)
        found = [named.get(tensor.name) for tensor in tensors]
        values = [_rounded(tensor, one.values) for tensor, one in zip(tensors, found, strict=True)
                  if one is not None and one.values.shape[1:] == tensor.shape]
        if len(values) == len(tensors):
            made[node.name] = run_node(node, tensors, values)
    return made


def _rounded(tensor: Tensor, values: Reals) -> Ints:
    limited = np.clip(values / tensor.scale, -(2.0**20), 2.0**20)
    integers = np.floor(limited + 0.5).astype(np.int64) + tensor.zero_point
    return np.asarray(np.clip(integers, tensor.low, tensor.high))


def _row(
    name: str, one: Traced, other: Traced, network: Network | None, alone: Mapping[str, Ints], *,
    of_a: bool, exact: bool, least: float,
) -> LayerDifference:
    grid = other.grid or one.grid
    aligned = one.grid is not None and other.grid is not None and _aligned(one.grid, other.grid)
    # Files have scales in single precision: what counts is the integers.
    signal, theirs = (_on(grid, each) if aligned else each.values for each in (one, other))
    difference = theirs - signal
    node = _node(network, name)
    own = None
    if node is not None and name in alone:
        computed = Traced(names=(name,), values=real(node.output, alone[name]), grid=node.output)
        own = _on(grid, computed) if aligned else computed.values
        own = own - (theirs if of_a else signal)
    largest = float(np.abs(difference).max(initial=0.0))
    units = None if grid is None else largest / grid.scale
    own_units = None
    if own is not None and grid is not None:
        own_units = float(np.abs(own).max(initial=0.0)) / grid.scale
    level = sqnr(signal, difference)
    judged = difference if own is None else own
    if exact:
        differs = largest > 0
    elif aligned:
        differs = (units if own_units is None else own_units) > 1 + 1e-6  # type: ignore[operator]
    else:
        differs = level < least
    return LayerDifference(
        layer=name, operator="" if node is None else type(node).__name__, sqnr=level,
        own=None if own is None else sqnr(signal, own), largest=largest, units=units,
        own_units=own_units, differing=float((difference != 0).mean()), differs=differs,
        clipped=_clipped(signal, judged, node, other.grid), shift=_shift(judged),
        rounding=_rounding(judged, other.grid),
    )


def _on(grid: Tensor | None, traced: Traced) -> Reals:
    """The integers of a tensor as numbers of ``grid``, whose scale is the same but for rounding."""
    assert grid is not None
    assert traced.grid is not None
    return np.asarray(np.rint(traced.values / traced.grid.scale) * grid.scale)


def _node(network: Network | None, name: str) -> Node | None:
    if network is None or name not in network.tensors or name == network.input.name:
        return None
    return network.node(name)


def _aligned(one: Tensor, other: Tensor) -> bool:
    """Whether integers of both stand for the same numbers, moved by a constant or not."""
    return bool(np.isclose(one.scale, other.scale, rtol=1e-6)) and (
        one.low - one.zero_point == other.low - other.zero_point and one.bits == other.bits
    )


def _clipped(signal: Reals, difference: Reals, node: Node | None, grid: Tensor | None) -> float:
    """Part of the energy of ``difference`` where A's values are beyond what B's layer may give."""
    if grid is None:
        return 0.0
    low, high = grid.low, grid.high
    if isinstance(node, Filters | Add | AvgPool | Concat):
        low, high = node.requant.low, node.requant.high
    ends = [(end - grid.zero_point) * grid.scale for end in (low, high)]
    beyond = (signal < ends[0] - grid.scale) | (signal > ends[1] + grid.scale)
    return _part((difference[beyond] ** 2).sum(), difference)


def _shift(difference: Reals) -> float:
    """Part of the energy of ``difference`` that is the mean of its channel."""
    means = difference.mean(axis=(0, 1, 2))
    return _part((means**2).sum() * difference[..., 0].size, difference)


def _rounding(difference: Reals, grid: Tensor | None) -> float:
    """Part of the energy of ``difference`` that rounding to ``grid`` makes on average: a twelfth
    of a unit's square for each value."""
    if grid is None:
        return 0.0
    return _part(grid.scale**2 / 12 * difference.size, difference)


def _part(energy: float, difference: Reals) -> float:
    whole = float((difference**2).sum())
    return min(float(energy) / whole, 1.0) if whole else 0.0
