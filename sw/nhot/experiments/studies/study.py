"""What a study is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nhot.errors import NhotError

__all__ = ["Recipe", "Row", "Study"]

Recipe = Literal[
    "float", "rounded", "bias-corrected", "adaptive", "one-stage", "two-stage", "from-scratch"
]
"""How a row is trained: as the float network; from it without training, as
:mod:`nhot.quant.post_training` has it, without or with adaptive rounding; from it in one stage or
in two; or quantised from the first step. The last three are recipes of :mod:`nhot.quant.recipes`.
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way to train the network of a study.

    Parameters
    ----------
    name : str
    format : str
        Of the weights, as :func:`nhot.formats.parse` reads it; empty for float.
    recipe : Recipe
    options : dict
        Further arguments of :func:`nhot.quant.quantize`.
    network : dict
        Arguments of the network's factory that are not the study's; for rows trained from scratch.
    part : str
        The table that the row belongs to.
    note : str
        What the row is there for, where its name does not say it.
    """

    name: str
    format: str
    recipe: Recipe
    options: Mapping[str, Any] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)
    part: str = "formats"
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Study:
    """A network, a data set, and the rows.

    Parameters
    ----------
    name : str
    title : str
    network : str
        Of the catalogue of models.
    data : str
        The kind of data set: ``digits``, ``cifar10`` or ``coco``.
    metric : str
    rows : tuple of Row
    float_training, tuning, scratch : dict
        Settings of the three kinds of training, as :class:`nhot.experiments.training.Settings` has
        them. ``epochs`` of the tuning are those of all stages together.
    options : dict
        Arguments of the network's factory.
    folds : int
        Into which all samples of the data set are dealt out, of whichever split, where it is more
        than none: a seed is then the number of the fold that is measured with.
    """

    name: str
    title: str
    network: str
    data: str
    metric: str
    rows: tuple[Row, ...]
    float_training: Mapping[str, Any]
    tuning: Mapping[str, Any]
    scratch: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    folds: int = 0

    def row(self, name: str) -> Row:
        """The row called ``name``."""
        for row in self.rows:
            if row.name == name:
                return row
        names = ", ".join(row.name for row in self.rows)
        raise NhotError(f"Row of study {self.name} must be one of {names}, not {name!r}")

    def check_seed(self, seed: int) -> None:
        """Refuse a seed that is no fold, where the study has folds."""
        if self.folds and not 0 <= seed < self.folds:
            raise NhotError(f"Seeds of study {self.name} must be its folds, 0 to {self.folds - 1}, "
                            f"not {seed}")
