"""What an image says about its network, for people and for the host; the board never sees it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from nhot.compiler.layout import Placement
from nhot.contract.config import EngineConfig
from nhot.errors import NhotError
from nhot.network.names import check_name

__all__ = ["LayerMeta", "Meta"]


@dataclass(frozen=True, kw_only=True)
class LayerMeta:
    """One layer of a program, or a part of one, under the same name.

    Parameters
    ----------
    name, operator : str
    output : Placement
    accumulator_bits : int
        That its sums need.
    cycles : int
        That it takes, exactly.
    weights, terms, macs : int
        Weights, signed powers of two in them, multiply-accumulates of an inference.
    """

    name: str
    operator: str
    output: Placement
    accumulator_bits: int
    cycles: int
    weights: int
    terms: int
    macs: int

    def __post_init__(self) -> None:
        check_name(self.name, "a layer")
        check_name(self.operator, "an operator")
        for what in ("accumulator_bits", "cycles", "weights", "terms", "macs"):
            if getattr(self, what) < 0:
                raise NhotError(
                    f"Layer {self.name!r} {what} must be 0 or more, not {getattr(self, what)}"
                )


@dataclass(frozen=True, kw_only=True)
class Meta:
    """The section META of an image.

    Parameters
    ----------
    network, format : str
        Names of the network and of the weights' format.
    input, output : Placement
        Where the host writes and reads.
    layers : tuple of LayerMeta
        In the order of the program.
    """

    network: str
    format: str
    input: Placement
    output: Placement
    layers: tuple[LayerMeta, ...]

    def __post_init__(self) -> None:
        check_name(self.network, "a network")
        for place in (self.output, *(layer.output for layer in self.layers)):
            if place.window is not None:
                raise NhotError(f"Tensor {place.name!r} window must be none, since only an input "
                                "that layers alone read is laid out by one")
        if self.output not in [self.input, *(layer.output for layer in self.layers)]:
            raise NhotError(
                f"Output must be where the input or a layer's output lies, "
                f"not {self.output.name!r} at word {self.output.address}"
            )

    def check(self, config: EngineConfig) -> None:
        """Refuse what the engine of ``config`` does not have room for."""
        if self.format != config.format:
            raise NhotError(f"format must be the engine's, {config.format!r}, not {self.format!r}")
        for place in (self.input, *(layer.output for layer in self.layers)):
            if place.word_bytes != config.inputs:
                raise NhotError(
                    f"word_bytes of {place.name!r} must be the engine's inputs, {config.inputs}, "
                    f"not {place.word_bytes}"
                )
            end = place.address + place.words
            if end > config.activation_words:
                raise NhotError(
                    f"words of {place.name!r} must end within the activation memory, "
                    f"{config.activation_words}, not at {end}"
                )

    def to_json(self) -> str:
        """Canonical JSON, the same text for the same content; pieces only where there are some."""
        content = asdict(self, dict_factory=_without_no_pieces)
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _without_no_pieces(items: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in items if key != "pieces" or value}
