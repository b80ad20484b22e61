"""The smallest engine that holds a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from nhot.compiler.passes import passes
from nhot.compiler.source import input_layout
from nhot.compiler.survey import survey
from nhot.compiler.weights import lower_weights
from nhot.contract.config import LANES, SIZES, EngineConfig
from nhot.errors import NhotError
from nhot.formats import Uniform, parse
from nhot.network import Conv2d, Filters, Linear, Network

__all__ = ["fit"]

_COMMON = ("ternary", "1hot", "2hot", "3hot", "int8")
_FITTED = (
    "accumulator_bits", "product_bits", "activation_words", "weight_words", "requant_words",
    "program_words",
)


def fit(network: Network, config: EngineConfig) -> EngineConfig:
    """``config`` with the least widths and depths that hold ``network``.

    The array stays as it is, and so does the format if it holds the weights; otherwise it becomes
    the one with the narrowest fields that does, without a multiplier if there is one. What no width
    and no depth can help is refused.
    """
    config = next(_formats(network, config), config)
    least = {size: SIZES[size][0] for size in _FITTED}
    beyond = []
    for demand in survey(network, config, smallest=True).demands:
        if not demand.size:
            beyond.append(demand.text)
        elif demand.hopeless:
            low, high = SIZES[demand.size]
            beyond.append(
                f"Engine {demand.size} must be {low} to {high}, not the {demand.least} of this "
                "network"
            )
        else:
            least[demand.size] = max(least[demand.size], demand.least)
    if beyond:
        raise NhotError("; ".join(dict.fromkeys(beyond)))
    return replace(config, **least)  # type: ignore[arg-type]


def _formats(network: Network, config: EngineConfig) -> Iterator[EngineConfig]:
    """``config`` with each format that holds all weights: its own, then the smallest."""
    filters = [node for node in network.nodes if isinstance(node, Filters)]
    others = {parse(name) for name in _COMMON} | {node.format for node in filters}
    order = sorted(others, key=lambda f: (isinstance(f, Uniform), f.field_bits, f.name))
    for fmt in (config.weight_format, *order):
        lane = config.lane if isinstance(fmt, LANES[config.lane][0]) else "parallel"
        try:
            chosen = replace(config, format=fmt.name, lane=lane)
            layout = input_layout(network, chosen, smallest=True)
            for one in passes(network, chosen):
                if isinstance(one.walk.node, Conv2d | Linear):
                    x = one.inputs[0]
                    lower_weights(one.walk.node, x, chosen, layout if x.from_host else None)
            yield chosen
        except NhotError:
            continue
