"""How a network's input is laid out: the way that its readers take the fewest cycles with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nhot.compiler.first_fit import place
from nhot.compiler.lifetimes import lifetimes
from nhot.compiler.limits import Demand, layer_demands
from nhot.compiler.lower import array_window, lower_pass
from nhot.compiler.pack import weight_levels
from nhot.compiler.passes import Pass, passes
from nhot.compiler.schedule import NOWHERE, descriptor
from nhot.compiler.unfold import layouts
from nhot.contract.config import EngineConfig
from nhot.contract.cycles import layer_cycles
from nhot.errors import NhotError
from nhot.network import Conv2d, Linear, Network, Window

__all__ = ["input_layout"]


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """A layout, and what the layers that read the input then take."""

    layout: Window | None
    cycles: int
    activation_words: int
    weight_words: int
    demands: Sequence[Demand]

    def bits(self, config: EngineConfig) -> int:
        """Of the memories that depend on the layout."""
        word = 8 * config.inputs
        return self.activation_words * word + self.weight_words * config.weight_word_bits


def input_layout(
    network: Network, config: EngineConfig, *, smallest: bool = False
) -> Window | None:
    """The window to lay the input of ``network`` out by, if any helps.

    That with the fewest cycles on an engine that holds it; or, for the ``smallest`` engine with
    the array of ``config``, that with the fewest bits of memory.
    """
    all_passes = passes(network, config)
    readers = [one for one in all_passes if network.input.name in {x.name for x in one.inputs}]
    window = _common_window(network, readers)
    if window is None:
        return None
    choices = []
    for layout in (None, *layouts(window)):
        try:
            choices.append(_choice(network, all_passes, readers, config, layout))
        except NhotError:
            continue  # weights or counts that this layout has no room for
    held = [
        choice for choice in choices if not any(
            demand.hopeless if smallest else demand.exceeds(config) for demand in choice.demands
        )
    ]
    best = min(held, default=None, key=lambda choice: (
        (choice.bits(config), choice.cycles) if smallest
        else (choice.cycles, choice.activation_words)
    ))
    return None if best is None else best.layout


def _common_window(network: Network, readers: Sequence[Pass]) -> Window | None:
    """The one window with which layers of the array, and nothing else, read the input."""
    if network.output.name == network.input.name:
        return None
    windows = {
        array_window(node, network.input)
        if isinstance(node, Linear) or (isinstance(node, Conv2d) and node.groups == 1) else None
        for node in (one.walk.node for one in readers)
    }
    return windows.pop() if len(windows) == 1 else None


def _choice(
    network: Network, all_passes: Sequence[Pass], readers: Sequence[Pass], config: EngineConfig,
    layout: Window | None,
) -> _Choice:
    layers = [lower_pass(one, config, layout) for one in readers]
    tensors = lifetimes(network, all_passes, config, layout)
    addresses = place(tensors)
    least = max(addresses[tensor.name] + tensor.words for tensor in tensors)
    demands = [
        Demand(size="activation_words", least=least, text=""),
        *(demand for layer in layers for demand in layer_demands(layer, config)),
    ]
    return _Choice(
        layout=layout, demands=demands,
        cycles=sum(layer_cycles(descriptor(layer, config, NOWHERE), config) for layer in layers),
        activation_words=max(d.least for d in demands if d.size == "activation_words"),
        weight_words=sum(len(weight_levels(layer, config)) for layer in layers),
    )
