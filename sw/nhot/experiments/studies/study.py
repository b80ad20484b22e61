"""What a study is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nhot.errors import NhotError

__all__ = ["Recipe", "Row", "Study"]

Recipe = Literal[
    "float", "rounded", "bias-corrected", "adaptive", "one-stage", "two-stage", "from-scratch",
    "chosen",
]
"""How a row is trained: as the float network; from it without training, as
:mod:`nhot.quant.post_training` has it, without or with adaptive rounding; from it in one stage or
in two; or quantised from the first step. These three are recipes of :mod:`nhot.quant.recipes`.
A row that is chosen is trained as the best of its candidates.
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way to train the network of a study.

    Parameters
    ----------
    name : str
    format : str
        Of the weights, as :func:`nhot.formats.parse` reads it; empty for float and chosen rows.
    recipe : Recipe
    options : dict
        Further arguments of :func:`nhot.quant.quantize`.
    network : dict
        Arguments of the network's factory that are not the study's; for rows trained from scratch.
    model : str
        Network of the catalogue that is not the study's; for rows trained from scratch and float.
    settings : dict
        Settings of the training that are not the study's.
    candidates : tuple of Row
        What a row is chosen from, with a study's samples for validation alone; of one name in
        several rows, they are the same and are tried once. Trained from scratch.
    densest : float
        The greatest part of weights that are not zero, of a candidate that is chosen.
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
    model: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    candidates: tuple[Row, ...] = ()
    densest: float = 1.0
    part: str = "formats"
    note: str = ""

    def candidate(self, name: str) -> Row:
        """The candidate called ``name``, or the row itself if it has none."""
        return next((one for one in self.candidates if one.name == name), self)


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
    validation : int
        Samples of the training split that are not trained on, equal for all rows and seeds. All is
        measured with them; with the test samples only what a row ends as, once. 0: there are none.
    trial : dict
        Settings of candidates, where they are not those of other rows.
    seeds : tuple of int
        Unless others are asked for. Those of chosen rows are not the one of their candidates.
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
    validation: int = 0
    trial: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0,)

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
