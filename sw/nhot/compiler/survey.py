"""All that a network needs of an engine, found before any of it is judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from nhot.compiler.first_fit import Lifetime, place
from nhot.compiler.lifetimes import lifetimes
from nhot.compiler.limits import Demand, layer_demands
from nhot.compiler.lower import Layer
from nhot.compiler.pack import requant_words, weight_levels
from nhot.compiler.parts import try_lower
from nhot.compiler.passes import Held, Pass, passes
from nhot.compiler.source import input_layout
from nhot.contract.config import EngineConfig
from nhot.contract.program import DESCRIPTOR_WORDS
from nhot.formats.format import Ints
from nhot.network import Network, Window

__all__ = ["Survey", "survey"]


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A network as an engine would hold it.

    Parameters
    ----------
    layers : sequence of Layer
        Those whose operator and weights the engine has.
    weights : sequence of (words, P, S) int64
        Levels of each layer, no words of those without.
    records : sequence of (words, R) int64
        Of each layer.
    layout : Window, optional
        By which the network's input is laid out.
    output : Held
        The network's output.
    addresses : mapping
        First activation word of every tensor that is held.
    demands : sequence of Demand
        What all this asks of the engine; the layers' own before the memories'.
    """

    layers: Sequence[Layer]
    weights: Sequence[Ints]
    records: Sequence[Ints]
    layout: Window | None
    output: Held
    addresses: Mapping[str, int]
    demands: Sequence[Demand]

    def fits(self, config: EngineConfig) -> bool:
        """Whether an engine holds it all."""
        return not any(demand.exceeds(config) for demand in self.demands)

    @property
    def spends(self) -> bool:
        """Whether memory is spent to save cycles.

        A pass in parts has more descriptors, if fewer weights; an addition by lanes has weights.
        """
        layers = self.layers
        divided = len({id(layer.walk) for layer in layers}) < len(layers)
        return divided or any(
            layer.takes_operands and layer.operation.on_lanes for layer in layers
        )

    def bits(self, config: EngineConfig) -> int:
        """Of program, weights and records."""
        return (
            32 * DESCRIPTOR_WORDS * len(self.layers)
            + config.weight_word_bits * sum(map(len, self.weights))
            + 32 * config.requantisers * sum(map(len, self.records))
        )


def survey(network: Network, config: EngineConfig, *, smallest: bool = False) -> Survey:
    """What ``network`` needs of an engine with the array and the lanes of ``config``.

    ``smallest`` is for an engine with as little memory as it takes, not for ``config`` as it is.
    """
    layout = input_layout(network, config, smallest=smallest)
    fast = _survey(network, config, layout)
    if not fast.spends:
        return fast
    others = (
        _survey(network, config, layout, divide=divide, on_lanes=False) for divide in (True, False)
    )
    if smallest:
        return min((fast, *others), key=lambda plan: plan.bits(config))
    return next((plan for plan in chain((fast,), others) if plan.fits(config)), fast)


def _survey(
    network: Network, config: EngineConfig, layout: Window | None, *, divide: bool = True,
    on_lanes: bool = True,
) -> Survey:
    all_passes = passes(network, config)
    layers, refused = try_lower(
        network, all_passes, config, layout, divide=divide, on_lanes=on_lanes
    )
    none = np.zeros((0, config.filters, config.inputs), np.int64)
    weights = [none if layer.levels is None else weight_levels(layer, config) for layer in layers]
    records = [requant_words(layer, config) for layer in layers]
    tensors = lifetimes(network, all_passes, config, layout)
    addresses = place(tensors)
    words = {
        "program": DESCRIPTOR_WORDS * (len(layers) + 1),
        "requant": sum(map(len, records)),
        "weight": sum(map(len, weights)),
    }
    demands = [
        *(Demand(text=text) for text in refused),
        *(demand for layer in layers for demand in layer_demands(layer, config)),
        _activations(tensors, addresses, config),
        *_memories(words, config),
    ]
    return Survey(
        layers=layers, weights=weights, records=records, layout=layout, addresses=addresses,
        output=_output(network, all_passes), demands=demands,
    )


def _output(network: Network, all_passes: Sequence[Pass]) -> Held:
    name = network.output.name
    made = (one.output for one in all_passes if one.output.name == name)
    return next(made, Held(tensor=network.output, name=name))  # a network may give its input



def _activations(
    tensors: list[Lifetime], addresses: Mapping[str, int], config: EngineConfig
) -> Demand:
    least = max(addresses[tensor.name] + tensor.words for tensor in tensors)
    largest = max(tensors, key=lambda tensor: tensor.words)
    return Demand(
        size="activation_words", least=least,
        text=f"Activation memory must have at least {least} words for this network, not "
             f"{config.activation_words} (largest tensor: {largest.name!r}, {largest.words} words)",
    )


def _memories(words: Mapping[str, int], config: EngineConfig) -> Iterator[Demand]:
    for what, least in words.items():
        size = f"{what}_words"
        yield Demand(
            size=size, least=least,
            text=f"{what.capitalize()} memory must have at least {least} words for this network, "
                 f"not {getattr(config, size)}",
        )
