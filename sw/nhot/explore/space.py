"""What a sweep tries: values of every axis, and the engines that there are of them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, get_args, get_type_hints

from nhot.compiler.estimates import check_estimates
from nhot.contract.config import LANES, SIZES, EngineConfig
from nhot.errors import NhotError
from nhot.formats import parse
from nhot.network.requant import REQUANT_TERMS
from nhot.network.tensor import ACTIVATION_BITS
from nhot.printable import shortened
from nhot.trials import Rounding

__all__ = ["Candidate", "Space"]

_ENGINE = ("pixels", "filters", "inputs", "requantisers", "requant_terms", "lane", "depthwise")
_CHOICES: dict[str, tuple[Any, ...]] = {"lane": tuple(LANES), "depthwise": (False, True)}
_ANSWERS = {"no": False, "yes": True}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A network and an array that it is to run on.

    Parameters
    ----------
    rounding : Rounding
    config : EngineConfig
        Its widths and depths are those that it has by default.
    """

    rounding: Rounding
    config: EngineConfig


@dataclass(frozen=True, kw_only=True)
class Space:
    """Values of every axis; what is tried is all their combinations.

    Parameters
    ----------
    format : tuple of str
        Of the weights, and so n and their bits: ``2hot``, ``3hot``, ``2hot@6``.
    bits : tuple of int
        Of activations.
    multiplier_terms : tuple of int
        Most signed powers of two of a multiplier that requantises.
    pixels, filters, inputs, requantisers, requant_terms, lane, depthwise : tuple
        As of :class:`EngineConfig`.
    board : tuple of str

    Raises
    ------
    NhotError
        An axis has no value, or one that no engine has.
    """

    format: tuple[str, ...] = ("1hot", "2hot", "3hot")
    bits: tuple[int, ...] = (8,)
    multiplier_terms: tuple[int, ...] = (4,)
    pixels: tuple[int, ...] = (1,)
    filters: tuple[int, ...] = (8, 16)
    inputs: tuple[int, ...] = (4, 8, 16)
    requantisers: tuple[int, ...] = (1, 4)
    requant_terms: tuple[int, ...] = (1,)
    lane: tuple[str, ...] = ("parallel",)
    depthwise: tuple[bool, ...] = (False,)
    board: tuple[str, ...] = ("icebreaker", "ulx3s-85f")  # of each family the largest FPGA

    def __post_init__(self) -> None:
        for axis in fields(self):
            values = getattr(self, axis.name)
            if not values:
                raise NhotError(f"Axis {axis.name} must have at least one value, not none")
            for value in values:
                _check(axis.name, value)
            object.__setattr__(self, axis.name, tuple(dict.fromkeys(values)))

    @classmethod
    def parse(cls, texts: dict[str, str | None]) -> Space:
        """The space of these lists, with commas in them; None is an axis as it is by default."""
        hints = get_type_hints(cls)
        return cls(**{
            axis: tuple(_value(axis, text, get_args(hints[axis])[0]) for text in given.split(","))
            for axis, given in texts.items() if given is not None
        })

    def candidates(self) -> tuple[list[Candidate], Counter[str]]:
        """All that an engine can be made of, and how many cannot, by the reason."""
        found, refused = [], Counter[str]()
        for names in self._combinations("format", "bits", "multiplier_terms"):
            rounding = Rounding(format=names["format"], bits=names["bits"],
                                requant_terms=names["multiplier_terms"])
            for sizes in self._combinations(*_ENGINE):
                try:
                    config = EngineConfig(format=names["format"], **sizes)
                except NhotError as error:
                    refused[str(error)] += 1
                else:
                    found.append(Candidate(rounding=rounding, config=config))
        return found, refused

    def _combinations(self, *axes: str) -> Iterator[dict[str, Any]]:
        for values in itertools.product(*(getattr(self, axis) for axis in axes)):
            yield dict(zip(axes, values, strict=True))


def _check(axis: str, value: Any) -> None:
    """Refuse a value that would be refused in every combination."""
    if axis == "board":
        check_estimates(value)
    elif axis == "format":
        parse(value)
    elif axis in SIZES or axis == "bits":
        low, high = SIZES.get(axis, ACTIVATION_BITS)
        if not low <= value <= high:
            raise NhotError(f"Axis {axis} must have values from {low} to {high}, "
                            f"not {shortened(value)}")
    else:
        known: tuple[Any, ...] = _CHOICES.get(axis, REQUANT_TERMS)
        if value not in known:
            raise NhotError(f"Axis {axis} must have values of {', '.join(map(str, known))}, "
                            f"not {shortened(value)}")


def _value(axis: str, text: str, kind: type) -> Any:
    text = text.strip()
    if not text:
        raise NhotError(f"Axis {axis} must have values with commas between them, not an empty one")
    if kind is str:
        return text
    if kind is bool:
        if text not in _ANSWERS:
            raise NhotError(f"Axis {axis} must have values of no, yes, not {shortened(text)}")
        return _ANSWERS[text]
    # int() takes underscores, other digits, and thousands of them in time of their square.
    if not (text.isascii() and text.lstrip("-").isdigit() and len(text) < 10):
        raise NhotError(f"Axis {axis} must have whole numbers, not {shortened(text)}")
    return int(text)
