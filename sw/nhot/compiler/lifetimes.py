"""From when to when each activation tensor of a network is needed."""

from __future__ import annotations

from collections.abc import Sequence

from nhot.compiler.first_fit import Lifetime
from nhot.compiler.layout import Placement
from nhot.compiler.passes import Held, Pass
from nhot.contract.config import EngineConfig
from nhot.network import Network, Window

__all__ = ["lifetimes"]


def lifetimes(
    network: Network, all_passes: Sequence[Pass], config: EngineConfig, layout: Window | None = None
) -> list[Lifetime]:
    """The words of every tensor, and the passes from the first to the last that need it.

    ``layout`` is that of the network's input.
    """
    source = Held(tensor=network.input, name=network.input.name)
    held, first, last = {source.name: source}, {source.name: 0}, {source.name: 0}
    for step, one in enumerate(all_passes, start=1):
        held[one.output.name] = one.output
        first.setdefault(one.output.name, step)
        for each in (one.output, *one.inputs):
            last[each.name] = step
    last[network.output.name] = len(all_passes)
    return [
        Lifetime(
            name=name, first=first[name], last=last[name],
            words=Placement.of(
                each.tensor, 0, config.inputs, layout if each is source else None, each.pieces
            ).words,
        )
        for name, each in held.items()
    ]
