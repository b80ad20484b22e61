"""The formats that a model is trained through, one stage after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nhot.errors import NhotError
from nhot.experiments.training import Settings
from nhot.formats import Format, NHot, Uniform

__all__ = ["RECIPES", "Formats", "Recipe", "Stage", "recipe", "stages"]

Formats = Format | Mapping[str, Format]
"""One format for all layers, or one for each by name."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One training in one format.

    Parameters
    ----------
    name : str
        Names the folder of the stage.
    format : Format, or formats by layer name
    settings : Settings
    restart : bool
        Draw all weights anew first.
    """

    name: str
    format: Formats
    settings: Settings
    restart: bool = False

    @property
    def format_name(self) -> str:
        """Name of the format, or of each by layer."""
        if isinstance(self.format, Format):
            return self.format.name
        return ", ".join(f"{name} {one.name}" for name, one in self.format.items())


@dataclass(frozen=True)
class Recipe:
    """Stages in the order that they are trained in."""

    name: str
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        if not self.stages:
            raise NhotError("Recipe must have at least one stage")


def stages(format: Format) -> tuple[Format, ...]:
    """The formats that fine-tuning goes through, the last being ``format``.

    n-hot is trained in two: first on the uniform grid that its levels are taken from, then on the
    levels. (The source, arXiv 2103.11704, names two stages; that these are the two is our reading.)
    """
    if isinstance(format, NHot):
        uniform = Uniform(bits=format.bits)
        if len(uniform.levels) > len(format.levels):
            return uniform, format
    return (format,)


def descending(format: Format) -> tuple[Format, ...]:
    """Uniform grids from 8 bits down in steps of two that are wider than ``format``, then it.

    Source: the progressive initialisation of APoT, arXiv 1909.13144, which goes on from the weights
    of one more bit.
    """
    grids = (Uniform(bits=bits) for bits in (8, 6, 4))
    wider = [grid for grid in grids if grid.max_level > format.max_level]
    return tuple(dict.fromkeys((*wider, *stages(format))))


RECIPES: dict[str, Callable[[Format], tuple[Format, ...]]] = {
    "one-stage": lambda format: (format,),
    "two-stage": stages,
    "progressive": descending,
    "from-scratch": lambda format: (format,),
}
"""By name, the formats on the way to one."""


def recipe(name: str, format: Formats, settings: Settings) -> Recipe:
    """A recipe of :data:`RECIPES` for a model that is to have ``format`` in the end.

    Every stage has the epochs of ``settings``. If there are several, the last has a quarter of the
    rate. "from-scratch" draws the weights anew; binary and signed-binary, which start with half of
    all weights on the wrong side of zero, need that or many epochs.

    Parameters
    ----------
    name : str
    format : Format, or formats by layer name
        Such as ``model.formats``.
    settings : Settings
    """
    if name not in RECIPES:
        raise NhotError(f"Recipe must be one of {', '.join(RECIPES)}, not {name!r}")
    path = _path(RECIPES[name], format)
    return Recipe(name, tuple(
        Stage(
            name="mixed" if isinstance(one, Mapping) else one.name, format=one,
            restart=name == "from-scratch",
            settings=dataclasses.replace(
                settings, seed=settings.seed + index,
                lr=settings.lr / (4 if 0 < index == len(path) - 1 else 1),
            ),
        ) for index, one in enumerate(path)
    ))


def _path(way: Callable[[Format], tuple[Format, ...]], format: Formats) -> tuple[Formats, ...]:
    """The way of every layer; a layer with a shorter one stays longer at its beginning."""
    if isinstance(format, Format):
        return way(format)
    if len(set(format.values())) == 1:
        return way(next(iter(format.values())))
    ways = {name: way(one) for name, one in format.items()}
    count = max(map(len, ways.values()))
    return tuple(
        {name: one[max(0, index - count + len(one))] for name, one in ways.items()}
        for index in range(count)
    )
