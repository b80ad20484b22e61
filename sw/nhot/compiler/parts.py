"""Grouped layers in parts, where tiles that lie apart would read words that they do not need.

The words that a tile reads may move at a constant distance from one tile to the next, and at no
other: where several tiles share a word, or groups and words have no common measure, all of them
would read more than each needs. In parts of so many tiles, each with loops of its own, they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from math import inf

from nhot.compiler.additions import lower_addition
from nhot.compiler.limits import layer_demands
from nhot.compiler.lower import Layer, lower_pass
from nhot.compiler.passes import Pass, passes
from nhot.compiler.schedule import NOWHERE, descriptor
from nhot.compiler.steps import reach
from nhot.compiler.weights import input_places, takes_taps
from nhot.contract.config import EngineConfig
from nhot.contract.cycles import layer_cycles
from nhot.contract.program import Operation
from nhot.errors import NhotError
from nhot.network import Conv2d, Network, Window

__all__ = ["lower", "try_lower"]


def lower(
    network: Network, config: EngineConfig, layout: Window | None = None, *, divide: bool = True,
    on_lanes: bool = True,
) -> list[Layer]:
    """The layers of ``network`` for an engine; what it cannot run is refused by name.

    ``layout`` is that of the network's input; ``divide`` allows layers to go in parts, and
    ``on_lanes`` additions to be done by lanes, where that takes fewer cycles.
    """
    all_passes = passes(network, config)
    layers, refused = try_lower(
        network, all_passes, config, layout, divide=divide, on_lanes=on_lanes
    )
    if refused:
        raise NhotError("; ".join(refused))
    return layers


def try_lower(
    network: Network, all_passes: Sequence[Pass], config: EngineConfig,
    layout: Window | None = None, *, divide: bool = True, on_lanes: bool = True,
) -> tuple[list[Layer], list[str]]:
    """The layers of the passes that an engine can run, and of each of the others why not."""
    layers: list[Layer] = []
    refused: list[str] = []
    for one in all_passes:
        laid_out = layout if network.input.name == one.inputs[0].name else None
        try:
            parts = _parts(one, config) if divide else [None]
            lowered = [lower_pass(one, config, laid_out, part) for part in parts]
            layers += [_faster(layer, one, config) if on_lanes else layer for layer in lowered]
        except NhotError as error:
            refused.append(f"Layer {one.walk.origin.name!r}: {error}")
    return layers, list(dict.fromkeys(refused))


def _faster(layer: Layer, one: Pass, config: EngineConfig) -> Layer:
    """An addition by the lanes, if they can and take fewer cycles; any other layer as it is."""
    if layer.operation is not Operation.ADD:
        return layer
    other = lower_addition(one, config)
    if other is None or any(demand.exceeds(config) for demand in layer_demands(other, config)):
        return layer

    def cycles(one: Layer) -> int:
        return layer_cycles(descriptor(one, config, NOWHERE), config)

    return other if cycles(other) < cycles(layer) else layer


def _parts(one: Pass, config: EngineConfig) -> list[range | None]:
    """The filters of each part, so that all together take the fewest cycles."""
    node, x = one.walk.node, one.inputs[0]
    if not isinstance(node, Conv2d) or node.groups == 1 or takes_taps(node, x, config):
        return [None]
    # A part begins with a tile and with a word of the output.
    unit = max(config.filters, config.inputs)
    if node.filters <= unit:
        return [None]
    try:
        cycles = _part_cycles(node, one, config)
    except NhotError:  # beyond a descriptor, whatever its filters: what judges the layer says so
        return [None]

    def cost(size: int) -> tuple[float, int]:
        parts = _in_parts(node.filters, size)
        return sum(cycles(part) for part in parts), len(parts)

    best = min(range(unit, node.filters + unit, unit), key=cost)
    return [None] if best >= node.filters else list(_in_parts(node.filters, best))


def _in_parts(filters: int, size: int) -> list[range]:
    return [range(start, min(start + size, filters)) for start in range(0, filters, size)]


def _part_cycles(
    node: Conv2d, one: Pass, config: EngineConfig
) -> Callable[[range], float]:
    """Cycles that a part takes, without its weights in their words."""
    first = range(max(config.filters, config.inputs))
    model = descriptor(lower_pass(one, config, None, first), config, NOWHERE)
    places = input_places(one.inputs[0], config, None)

    @cache
    def take(words: int, tiles: int, tail_groups: int) -> float:
        try:
            step = replace(model, last_word=words - 1, last_tile=tiles - 1, tail_groups=tail_groups)
        except NhotError:
            return inf  # more than a descriptor can say
        return layer_cycles(step, config)

    def cycles(part: range) -> float:
        tiles = -(-len(part) // config.filters)
        last = len(part) - (tiles - 1) * config.filters
        words = reach(node.filters, node.groups, places, config, part).words
        return take(words, tiles, -(-last // config.requantisers))

    return cycles
