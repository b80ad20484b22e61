"""From an integer network to the memory image of an engine."""

from __future__ import annotations

import numpy as np

from nhot.compiler.codes import pack_codes
from nhot.compiler.config import EngineConfig
from nhot.compiler.cycles import program_cycles
from nhot.compiler.image import Image
from nhot.compiler.layout import Placement
from nhot.compiler.lower import Layer, lower
from nhot.compiler.memory_map import Lifetime, place
from nhot.compiler.meta import LayerMeta, Meta
from nhot.compiler.pack import check_widths, requant_words, weight_levels
from nhot.compiler.program import Descriptor, Operation
from nhot.compiler.schedule import Addresses, descriptor
from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.network import Network, Tensor

__all__ = ["compile_network"]


def compile_network(network: Network, config: EngineConfig) -> Image:
    """Compile ``network`` for the engine of ``config``: the same bytes for the same inputs.

    Refused, with the layer's name: an operator the engine lacks, weights its lanes cannot hold,
    sums or products too wide for it, and a network larger than one of its memories.
    """
    layers = lower(network, config)
    widths = [check_widths(layer, config) for layer in layers]
    weights = [
        weight_levels(layer, config) for layer in layers if layer.operation is Operation.ARRAY
    ]
    records = [requant_words(layer, config) for layer in layers]
    descriptors = _descriptors(network, layers, weights, records, config)
    program = b"".join(d.pack() for d in descriptors)
    _check_depth("program", len(program) // 4, config.program_words)
    levels = np.concatenate(weights) if weights else np.zeros((0, config.filters * config.inputs))
    codes = config.weight_format.encode(levels)
    return Image(
        config=config,
        program=program,
        requant=np.concatenate(records).astype("<u4").tobytes(),
        weights=pack_codes(codes, config.weight_format.code_bits),
        meta=_meta(network, layers, widths, program_cycles(descriptors, config), config),
    )


def _descriptors(
    network: Network, layers: list[Layer], weights: list[Ints], records: list[Ints],
    config: EngineConfig,
) -> list[Descriptor]:
    addresses = _activation_map(network, layers, config)
    weight_address = requant_address = 0
    remaining = iter(weights)
    result = []
    for layer, record in zip(layers, records, strict=True):
        result.append(
            descriptor(
                layer, config,
                Addresses(
                    inputs=tuple(addresses[t.name] for t in layer.inputs),
                    output=addresses[layer.output.name],
                    weights=weight_address, requant=requant_address,
                ),
            )
        )
        requant_address += len(record)
        if layer.operation is Operation.ARRAY:
            weight_address += len(next(remaining))
    _check_depth("weight", weight_address, config.weight_words)
    _check_depth("requant", requant_address, config.requant_words)
    return [*result, Descriptor(operation=Operation.END)]


def _activation_map(
    network: Network, layers: list[Layer], config: EngineConfig
) -> dict[str, int]:
    tensors = [network.input, *(layer.output for layer in layers)]
    last = {tensor.name: step for step, tensor in enumerate(tensors)}
    for step, layer in enumerate(layers, start=1):
        for tensor in layer.inputs:
            last[tensor.name] = step
    last[network.output.name] = len(layers)
    lifetimes = [
        Lifetime(
            name=tensor.name, words=Placement.of(tensor, 0, config.inputs).words,
            first=step, last=last[tensor.name],
        )
        for step, tensor in enumerate(tensors)
    ]
    return place(lifetimes, config.activation_words)


def _meta(
    network: Network, layers: list[Layer], widths: list[int], cycles: list[int],
    config: EngineConfig,
) -> Meta:
    addresses = _activation_map(network, layers, config)

    def placement(tensor: Tensor) -> Placement:
        return Placement.of(tensor, addresses[tensor.name], config.inputs)

    return Meta(
        network=network.name, format=config.format,
        input=placement(network.input), output=placement(network.output),
        layers=tuple(
            LayerMeta(
                name=layer.output.name, operator=type(layer.node).__name__,
                output=placement(layer.output), accumulator_bits=bits, cycles=count,
                **_work(layer, config),
            )
            for layer, bits, count in zip(layers, widths, cycles[:-1], strict=True)
        ),
    )


def _work(layer: Layer, config: EngineConfig) -> dict[str, int]:
    """What a layer costs: weights, their terms and multiply-accumulates."""
    work = {"weights": 0, "terms": 0, "macs": 0}
    if layer.levels is not None:
        height, width, _ = layer.output.shape
        work["weights"] = int(layer.levels.size)
        work["terms"] = int(config.weight_format.cost(layer.levels).sum())
        work["macs"] = int(layer.levels.size) * height * width
    return work


def _check_depth(what: str, needed: int, depth: int) -> None:
    if needed > depth:
        raise NhotError(
            f"{what.capitalize()} memory must have at least {needed} words for this network, "
            f"not {depth}"
        )
