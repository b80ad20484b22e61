"""What the layers of a quantised model cost."""

from __future__ import annotations

from dataclasses import replace

from nhot.compiler.parts import lower
from nhot.compiler.schedule import NOWHERE, descriptor
from nhot.compiler.source import input_layout
from nhot.contract.config import EngineConfig
from nhot.contract.cycles import layer_cycles
from nhot.errors import NhotError
from nhot.network import Network
from nhot.network.counts import count
from nhot.quant.mixed.budget import Cost
from nhot.quant.model import QuantModel, to_network

__all__ = ["layer_costs"]


def layer_costs(model: QuantModel, cost: Cost, engine: EngineConfig | None = None) -> list[int]:
    """What each layer with weights costs, in their order.

    Cycles are those of an engine of the sizes of ``engine`` whose serial lanes are made for the
    format of ``model``, which is the same in all layers.
    """
    network = to_network(model, "cost")
    if cost == "cycles":
        return _cycles(network, model.filters[0].format.name, engine)
    counts = [count(network, [layer.name]) for layer in model.filters]
    return [each.shift_adds if cost == "terms" else each.bits for each in counts]


def _cycles(network: Network, format: str, engine: EngineConfig | None) -> list[int]:
    if engine is None:
        raise NhotError("Engine must be given for a budget of cycles")
    if engine.lane != "serial":
        raise NhotError(
            f"Lane of the engine must be 'serial' for a budget of cycles, not {engine.lane!r}: "
            "on others all formats take the same cycles"
        )
    config = replace(engine, format=format)
    cycles: dict[str, int] = {}  # a layer may go in parts
    for layer in lower(network, config, input_layout(network, config)):
        name = layer.walk.origin.name
        if layer.own_weights:
            taken = layer_cycles(descriptor(layer, config, NOWHERE), config)
            cycles[name] = cycles.get(name, 0) + taken
    return list(cycles.values())
