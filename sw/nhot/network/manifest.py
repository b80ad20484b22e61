"""A network as plain values, weights and biases apart: what its file keeps as metadata."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from nhot.errors import NhotError
from nhot.formats import parse
from nhot.formats.format import Ints
from nhot.network.network import Network
from nhot.network.operators import (
    Add,
    ArgMax,
    AvgPool,
    Clamp,
    Concat,
    Conv2d,
    Convolution,
    ConvTranspose2d,
    Filters,
    Linear,
    MaxPool,
    Node,
    RoundTerms,
    Upsample,
)
from nhot.network.requant import Requant
from nhot.network.tensor import Tensor
from nhot.network.window import Window
from nhot.printable import shortened
from nhot.schema import parse_json

__all__ = ["Arrays", "Layer", "Manifest", "from_manifest", "parse_manifest", "to_manifest"]

Arrays = dict[str, tuple[Ints, Ints]]
"""Weights and biases by layer name."""

_OPERATORS: dict[str, type[Node]] = {
    kind.__name__: kind for kind in (
        Conv2d, ConvTranspose2d, Linear, MaxPool, AvgPool, Upsample, Add, Concat, Clamp, RoundTerms,
        ArgMax,
    )
}


@dataclass(frozen=True, kw_only=True)
class Requantisation:
    """A :class:`Requant` with its multipliers as a list."""

    multiplier: tuple[int, ...]
    zero_point: int
    low: int
    high: int


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer; which fields there are depends on its operator, by the names of its class."""

    operator: str
    inputs: tuple[str, ...]
    output: Tensor
    requant: Requantisation | None = None
    format: str | None = None
    window: Window | None = None
    groups: int | None = None
    output_padding: tuple[int, int] | None = None
    factors: tuple[int, int] | None = None
    n: int | None = None
    low: int | None = None
    high: int | None = None

    def requantisation(self) -> Requant:
        """The multipliers, zero point and limits of this layer, which has some."""
        assert self.requant is not None
        try:
            return Requant(**asdict(self.requant))
        except (NhotError, TypeError) as error:  # numbers beyond 64 bits are no integers of numpy
            raise NhotError(f"Layer {self.output.name!r}: {error}") from None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All of a network but its weights and biases.

    Parameters
    ----------
    name, output : str
        Of the network, and of the tensor that it gives.
    input : Tensor
    nodes : tuple of Layer
    initializers : dict
        What the constants of each layer's weights and bias are called.
    """

    name: str
    input: Tensor
    output: str
    nodes: tuple[Layer, ...]
    initializers: dict[str, tuple[str, str]] = field(default_factory=dict)


def to_manifest(network: Network) -> dict[str, Any]:
    """Everything of ``network`` but weights and biases, as JSON can hold it."""
    return {
        "name": network.name,
        "input": asdict(network.input),
        "output": network.output_name,
        "nodes": [_to_values(node) for node in network.nodes],
    }


def parse_manifest(text: str) -> Manifest:
    """What the JSON of :func:`to_manifest` says; anything else is refused."""
    return parse_json(Manifest, text.encode(), "Network metadata")


def from_manifest(manifest: Manifest, arrays: Arrays) -> Network:
    """Build the network that ``manifest`` describes; one that cannot be is refused."""
    return Network(
        name=manifest.name, input=manifest.input, output_name=manifest.output,
        nodes=tuple(_node(layer, arrays) for layer in manifest.nodes),
    )


def _to_values(node: Node) -> dict[str, Any]:
    values: dict[str, Any] = {
        "operator": type(node).__name__,
        "inputs": list(node.inputs),
        "output": asdict(node.output),
    }
    if isinstance(node, Filters | AvgPool | Add | Concat):
        requant = node.requant
        values["requant"] = {
            "multiplier": requant.multiplier.tolist(), "zero_point": requant.zero_point,
            "low": requant.low, "high": requant.high,
        }
    if isinstance(node, Filters):
        values["format"] = node.format.name
    if isinstance(node, Convolution | MaxPool | AvgPool):
        values["window"] = asdict(node.window)
    if isinstance(node, Convolution):
        values["groups"] = node.groups
    if isinstance(node, ConvTranspose2d):
        values["output_padding"] = node.output_padding
    if isinstance(node, Upsample):
        values["factors"] = node.factors
    if isinstance(node, RoundTerms):
        values["n"] = node.n
    if isinstance(node, Clamp):
        values |= {"low": node.low, "high": node.high}
    return values


def _node(layer: Layer, arrays: Arrays) -> Node:
    where = f"Layer {layer.output.name!r}:"
    if layer.operator not in _OPERATORS:
        raise NhotError(f"{where} operator must be one of {', '.join(_OPERATORS)}, "
                        f"not {shortened(layer.operator)}")
    kind = _OPERATORS[layer.operator]
    values: dict[str, Any] = {
        one.name: getattr(layer, one.name) for one in fields(layer)
        if one.name != "operator" and getattr(layer, one.name) is not None
    }
    _check_fields(where, kind, values)
    if layer.requant is not None:
        values["requant"] = layer.requantisation()
    if layer.format is not None:
        try:
            values["format"] = parse(layer.format)
        except NhotError as error:
            raise NhotError(f"{where} {error}") from None
        values["weights"], values["bias"] = arrays[layer.output.name]
    return kind(**values)


def _check_fields(where: str, kind: type[Node], values: dict[str, Any]) -> None:
    """Refuse a layer that has not what its operator has, or has more."""
    known = [one.name for one in fields(kind) if one.name not in {"weights", "bias"}]
    for name in known:
        if name not in values:
            raise NhotError(f"{where} {kind.__name__} must have {name!r}, which is missing")
    for name in values:
        if name not in known:
            raise NhotError(f"{where} {kind.__name__} must have {', '.join(known)} alone, "
                            f"not {name!r}")
