"""From the nodes of a network to walks of the engine: what each computes, and where that goes.

A node is a walk over its inputs, or several: a concatenation one for each input that nobody writes
into its place, what makes many pixels of few one for each phase of them (``phases.py``). And a walk
may do more than its node: a clamp, and a place in a concatenation, move into what is before them
where nothing else reads that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from nhot.compiler.phases import WHOLE, Phase, PhaseTaps, phases, transposed
from nhot.network import (
    Add,
    ArgMax,
    AvgPool,
    Clamp,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Linear,
    MaxPool,
    Network,
    Node,
    Requant,
    RoundTerms,
    Tensor,
    Upsample,
    Window,
)
from nhot.network.requant import SHIFT

__all__ = ["POINT", "UNIT", "Walk", "walks"]

UNIT = 1 << SHIFT
"""The multiplier that keeps a number."""

POINT = Window(kernel=(1, 1))
"""The window that sees a position alone."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Walk:
    """What the engine computes from the same inputs.

    Parameters
    ----------
    origin : Node
        Of the network: what the walk is part of.
    node : Node
        What is computed, by an operator that the engine has; its output is what the walk makes.
    output : Tensor
        Where that goes: the whole of a tensor, or its channels from ``start`` on.
    start : int
    phase : Phase
        The positions that are written.
    taps : PhaseTaps, optional
        Those of the kernel of ``origin`` that ``node`` has, unless it has all.
    requant : Requant, optional
        What becomes of ``x - zero_point`` where ``node`` hands on integers.
    activation_terms : int
        Signed powers of two that what is made, less its zero point, is rounded to in the end; 0 for
        none of it.
    """

    origin: Node
    node: Node
    output: Tensor
    start: int = 0
    phase: Phase = WHOLE
    taps: PhaseTaps | None = None
    requant: Requant | None = None
    activation_terms: int = 0


def walks(network: Network) -> list[Walk]:
    """The walks that ``network`` takes, in order."""
    return [one for walk in _place(network) for one in _in_phases(walk, network)]


def _fuse(network: Network) -> tuple[list[Node], dict[str, int]]:
    """Move a clamp, or a rounding to few terms, into the requantisation before it.

    Where nothing else reads that tensor. With the nodes that are left come the terms of those whose
    outputs are rounded: what is rounded is not clamped behind that.
    """
    nodes: dict[str, Node] = {}
    terms: dict[str, int] = {}
    for node in network.nodes:
        before = nodes.get(node.inputs[0])
        if (
            isinstance(node, Clamp | RoundTerms)
            and isinstance(before, Conv2d | ConvTranspose2d | Linear | AvgPool | Add | Concat)
            and not (isinstance(node, RoundTerms) and isinstance(before, Concat))
            and before.name not in terms
            and len(network.consumers(before.name)) == 1
            and before.name != network.output.name
        ):
            del nodes[before.name]
            ends = _ends(node)
            low, high = np.clip([before.requant.low, before.requant.high], *ends)
            requant = replace(before.requant, low=int(low), high=int(high))
            nodes[node.name] = replace(before, output=node.output, requant=requant)
        else:
            nodes[node.name] = node
        if isinstance(node, RoundTerms):
            terms[node.name] = node.n if _rounds(node) else 0
    return list(nodes.values()), terms


def _rounds(node: RoundTerms) -> bool:
    """Whether any integer of its tensor has more terms."""
    return not np.array_equal(node.table, np.arange(node.output.low, node.output.high + 1))


def _ends(node: Clamp | RoundTerms) -> tuple[int, int]:
    """The least and the most that a node gives."""
    if isinstance(node, Clamp):
        return node.low, node.high
    return int(node.table[0]), int(node.table[-1])


@dataclass(frozen=True, kw_only=True)
class _Slice:
    """Channels of a joined tensor, and what makes them of ``x - zero_point`` of another tensor."""

    output: Tensor
    start: int
    requant: Requant

    def tensor(self, shape: tuple[int, int, int]) -> Tensor:
        """What is written there, of the shape of the other tensor, in the type of the joined one.
        """
        return replace(self.output, shape=shape)


def _place(network: Network) -> list[Walk]:
    """Every node that is left, with its place; of a concatenation the inputs that must be copied.
    """
    nodes, terms = _fuse(network)
    makers = {node.name: node for node in nodes}
    readers = Counter(name for node in nodes for name in node.inputs)
    slices: dict[str, _Slice] = {}
    walks: list[Walk] = []
    for node in reversed(nodes):  # what is joined last has its place first
        place = slices.get(node.name)
        if not isinstance(node, Concat):
            walk = _walk(node, network.inputs(node), place)
            walks.append(replace(walk, activation_terms=terms.get(node.name, 0)))
            continue
        for name, part in reversed(_slices(node, network, place)):
            maker = makers.get(name)
            alone = readers[name] == 1 and name != network.output.name and name not in terms
            if maker is not None and alone and _writes_into(maker, part):
                slices[name] = part
            else:
                walks.append(_copy(node, network.tensor(name), part))
    return walks[::-1]


def _slices(node: Concat, network: Network, place: _Slice | None) -> list[tuple[str, _Slice]]:
    """The place of each input of a concatenation that may itself have its place in another."""
    found = []
    start = 0 if place is None else place.start
    for tensor, multiplier in zip(network.inputs(node), node.requant.multiplier, strict=True):
        requant = replace(node.requant, multiplier=np.array([multiplier]))
        if place is not None:
            requant = _moved(requant, place.requant)
        output = node.output if place is None else place.output
        found.append((tensor.name, _Slice(output=output, start=start, requant=requant)))
        start += tensor.shape[2]
    return found


def _writes_into(node: Node, place: _Slice) -> bool:
    """Whether a node can write its integers as those of ``place``, to the bit."""
    multiplier = int(place.requant.multiplier[0])
    if isinstance(node, MaxPool | Upsample):
        return True
    if isinstance(node, Clamp):
        return multiplier >= 0  # its ends stay ends
    return multiplier == UNIT and not isinstance(node, ArgMax)


def _moved(inner: Requant, outer: Requant) -> Requant:
    """``inner``, and then what is ``outer`` for a multiplier of one: moved to it, and clamped."""
    shift = outer.zero_point - inner.zero_point
    low, high = np.clip([inner.low + shift, inner.high + shift], outer.low, outer.high)
    return replace(inner, zero_point=outer.zero_point, low=int(low), high=int(high))


def _copy(node: Concat, tensor: Tensor, place: _Slice) -> Walk:
    """The pass that copies an input of a concatenation: the average of one."""
    copy = AvgPool(
        inputs=(tensor.name,), output=place.tensor(tensor.shape), window=POINT,
        requant=place.requant,
    )
    return Walk(origin=node, node=copy, output=place.output, start=place.start)


def _walk(node: Node, inputs: tuple[Tensor, ...], place: _Slice | None) -> Walk:
    """The pass of a node that writes a tensor of its own, or into ``place``."""
    output = node.output if place is None else place.tensor(node.output.shape)
    made: Node = node
    requant = None
    if isinstance(node, MaxPool | Upsample | Clamp | RoundTerms):
        requant = _handed_on(node, inputs[0], place)
        window = node.window if isinstance(node, MaxPool) else POINT
        made = MaxPool(inputs=node.inputs, output=output, window=window)
    elif isinstance(node, Conv2d | ConvTranspose2d | Linear | AvgPool | Add) and place is not None:
        made = replace(node, output=output, requant=_moved(node.requant, place.requant))
    if place is None:
        return Walk(origin=node, node=made, output=output, requant=requant)
    return Walk(
        origin=node, node=made, output=place.output, start=place.start, requant=requant
    )


def _handed_on(
    node: MaxPool | Upsample | Clamp | RoundTerms, x: Tensor, place: _Slice | None
) -> Requant:
    """What becomes of the integers that a node hands on, around the zero point of its input."""
    low, high = _ends(node) if isinstance(node, Clamp | RoundTerms) else (x.low, x.high)
    if place is None:
        return Requant(multiplier=np.array([UNIT]), zero_point=x.zero_point, low=low, high=high)
    ends = np.sort(place.requant.compute(np.array([[low], [high]]) - x.zero_point), axis=None)
    return replace(place.requant, low=int(ends[0]), high=int(ends[1]))


def _in_phases(walk: Walk, network: Network) -> Iterator[Walk]:
    """The passes of what makes more pixels than it reads, or the one pass of anything else."""
    if isinstance(walk.node, ConvTranspose2d):
        (x,) = network.inputs(walk.node)
        for phase, taps, node in transposed(walk.node, x):
            yield replace(walk, node=node, phase=phase, taps=taps)
    elif isinstance(walk.origin, Upsample):
        (x,), (height, width, _) = network.inputs(walk.origin), walk.origin.output.shape
        copy = replace(walk.node, output=replace(walk.node.output, shape=x.shape))
        for phase in phases(height, width, walk.origin.factors):
            yield replace(walk, node=copy, phase=phase)
    else:
        yield walk
