"""From when to when each activation tensor of a network is needed."""

from __future__ import annotations

from nhot.compiler.first_fit import Lifetime
from nhot.compiler.layout import Placement
from nhot.compiler.lower import fuse_clamps
from nhot.contract.config import EngineConfig
from nhot.network import Network, Window

__all__ = ["lifetimes"]


def lifetimes(
    network: Network, config: EngineConfig, layout: Window | None = None
) -> list[Lifetime]:
    """The words of every tensor, and the steps in which they are needed.

    ``layout`` is that of the network's input.
    """
    nodes = fuse_clamps(network)
    tensors = [network.input, *(node.output for node in nodes)]
    last = {tensor.name: step for step, tensor in enumerate(tensors)}
    for step, node in enumerate(nodes, start=1):
        for name in node.inputs:
            last[name] = step
    last[network.output.name] = len(nodes)
    return [
        Lifetime(
            name=tensor.name, first=step, last=last[tensor.name],
            words=Placement.of(tensor, 0, config.inputs, None if step else layout).words,
        )
        for step, tensor in enumerate(tensors)
    ]
