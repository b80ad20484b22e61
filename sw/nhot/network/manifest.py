"""A network as plain values, weights and biases apart: what its file keeps as metadata."""

from __future__ import annotations

from dataclasses import asdict
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

__all__ = ["Arrays", "from_manifest", "to_manifest"]

Arrays = dict[str, tuple[Ints, Ints]]
"""Weights and biases by layer name."""

_OPERATORS = {
    kind.__name__: kind for kind in (
        Conv2d, ConvTranspose2d, Linear, MaxPool, AvgPool, Upsample, Add, Concat, Clamp, RoundTerms,
        ArgMax,
    )
}


def to_manifest(network: Network) -> dict[str, Any]:
    """Everything of ``network`` but weights and biases, as JSON can hold it."""
    return {
        "name": network.name,
        "input": asdict(network.input),
        "output": network.output_name,
        "nodes": [_to_values(node) for node in network.nodes],
    }


def from_manifest(values: dict[str, Any], arrays: Arrays) -> Network:
    """Build the network that :func:`to_manifest` described; anything else is refused."""
    try:
        return Network(
            name=str(values["name"]),
            input=_tensor(values["input"]),
            nodes=tuple(_from_values(node, arrays) for node in values["nodes"]),
            output_name=str(values["output"]),
        )
    except NhotError:
        raise
    except KeyError as error:
        raise NhotError(f"Network metadata must have a {error}") from None
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise NhotError(f"Network metadata must describe a network: {error}") from None


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


def _from_values(values: dict[str, Any], arrays: Arrays) -> Node:
    values = dict(values)
    operator = values.pop("operator")
    if operator not in _OPERATORS:
        raise NhotError(f"Operator must be one of {', '.join(_OPERATORS)}, not {operator!r}")
    values["output"] = _tensor(values["output"])
    values["inputs"] = tuple(values["inputs"])
    if "requant" in values:
        values["requant"] = Requant(**values["requant"])
    if "format" in values:
        values["format"] = parse(values["format"])
        values["weights"], values["bias"] = arrays[values["output"].name]
    if "window" in values:
        values["window"] = Window(**values["window"])
    node: Node = _OPERATORS[operator](**values)
    return node


def _tensor(values: dict[str, Any]) -> Tensor:
    return Tensor(**{**values, "shape": tuple(values["shape"])})
