"""From an integer network to the memory image of an engine."""

from __future__ import annotations

import numpy as np

from nhot.compiler.image import Image
from nhot.compiler.layout import Placement
from nhot.compiler.lower import Layer
from nhot.compiler.meta import LayerMeta, Meta
from nhot.compiler.passes import Held
from nhot.compiler.schedule import Addresses, descriptor
from nhot.compiler.survey import Survey, survey
from nhot.compiler.widths import layer_widths
from nhot.contract.codes import pack_codes
from nhot.contract.config import EngineConfig
from nhot.contract.cycles import program_cycles
from nhot.contract.program import Descriptor, Operation
from nhot.errors import NhotError
from nhot.network import Network

__all__ = ["compile_network"]


def compile_network(network: Network, config: EngineConfig) -> Image:
    """Compile ``network`` for the engine of ``config``: the same bytes for the same inputs.

    Refused, with all that the engine cannot do at once: operators it lacks, weights its lanes
    cannot hold, layers beyond its counters, sums or products too wide for it, and what is larger
    than one of its memories; layers by name.
    """
    plan = survey(network, config)
    beyond = [demand.text for demand in plan.demands if demand.exceeds(config)]
    if beyond:
        raise NhotError("; ".join(dict.fromkeys(beyond)))
    descriptors = _descriptors(plan, config)
    codes = config.weight_format.encode(np.concatenate(plan.weights))
    return Image(
        config=config,
        program=b"".join(step.pack() for step in descriptors),
        requant=np.concatenate(plan.records).astype("<u4").tobytes(),
        weights=pack_codes(
            codes.reshape(-1, config.word_codes), config.weight_format.code_bits
        ),
        meta=_meta(network, plan, program_cycles(descriptors, config), config),
    )


def _descriptors(plan: Survey, config: EngineConfig) -> list[Descriptor]:
    weights = requant = 0
    result = []
    for layer, levels, records in zip(plan.layers, plan.weights, plan.records, strict=True):
        places = Addresses(
            inputs=tuple(plan.addresses[held.name] for held in layer.inputs),
            output=plan.addresses[layer.output.name], weights=weights, requant=requant,
        )
        result.append(descriptor(layer, config, places))
        requant += len(records)
        weights += len(levels)
    return [*result, Descriptor(operation=Operation.END)]


def _meta(
    network: Network, plan: Survey, cycles: list[int], config: EngineConfig
) -> Meta:
    def placement(held: Held) -> Placement:
        return Placement.of(
            held.tensor, plan.addresses[held.name], config.inputs, pieces=held.pieces
        )

    return Meta(
        network=network.name, format=config.format,
        input=Placement.of(
            network.input, plan.addresses[network.input.name], config.inputs, plan.layout
        ),
        output=placement(plan.output),
        layers=tuple(
            LayerMeta(
                name=layer.name, operator=type(layer.walk.origin).__name__,
                output=placement(layer.output),
                accumulator_bits=layer_widths(layer, config).accumulator, cycles=count,
                weights=layer.own_weights, terms=_terms(layer, config), macs=layer.macs,
            )
            for layer, count in zip(plan.layers, cycles[:-1], strict=True)
        ),
    )


def _terms(layer: Layer, config: EngineConfig) -> int:
    """Signed powers of two in the weights of a layer."""
    if layer.levels is None or not layer.own_weights:
        return 0
    return int(config.weight_format.cost(layer.levels[layer.levels != 0]).sum())
