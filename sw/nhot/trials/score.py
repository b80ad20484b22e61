"""How good a model or its network is on data."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, isfinite
from typing import TYPE_CHECKING

from nhot.errors import NhotError

if TYPE_CHECKING:
    from nhot.network import Network
    from nhot.stages import Stage
    from nhot.trials.original import Original
    from nhot.trials.trial_data import TrialData

__all__ = ["HIGHER", "Scored", "score_network", "score_original"]

LIMITS = {"accuracy": (0, 1), "AUC": (0, 1), "mAP": (-1, 1), "mean squares": (0, inf)}
"""Between which a measure lies; a mAP of -1 is that there was nothing to find."""

HIGHER = {"accuracy": True, "AUC": True, "mAP": True, "mean squares": False}
"""Whether more of a measure is better."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What :func:`nhot.experiments.evaluation.evaluate` found.

    Parameters
    ----------
    metric : str
        ``accuracy``, ``AUC``, ``mAP`` or ``mean squares``.
    value : float
    samples : int
        That it was measured on.
    stage : str
        What was measured: ``float``, ``network``, or which tool's model.
    figures : dict
        More than the measure, by name.
    held_out : bool
        Whether ranges are taken from other samples.
    """

    metric: str
    value: float
    samples: int
    stage: str
    figures: dict[str, float] = field(default_factory=dict)
    held_out: bool = True

    @property
    def text(self) -> str:
        """The measure as people read it."""
        share = LIMITS[self.metric][1] == 1
        return f"{100 * self.value:.2f} %" if share else f"{self.value:.4g}"

    def __post_init__(self) -> None:
        if self.metric not in HIGHER:
            raise NhotError(f"Metric must be one of {', '.join(HIGHER)}, not {self.metric!r}")
        if not isfinite(self.value):
            raise NhotError(f"Measure of the {self.stage} must be a finite {self.metric}, "
                            f"not {self.value}")
        low, high = LIMITS[self.metric]
        if not low <= self.value <= high:
            raise NhotError(f"Measure {self.metric} must be {low} to {high}, not {self.value}")
        if self.samples < 1:
            raise NhotError(f"Number of samples must be at least 1, not {self.samples}")

    @property
    def better(self) -> float:
        """The measure so that more is better."""
        return self.value if HIGHER[self.metric] else -self.value


def score_original(original: Original, data: TrialData) -> Scored:
    """The measure of a model before it is quantised; of a quantised file, by its own tool."""
    return _score(original.stage(), data)


def score_network(network: Network, data: TrialData) -> Scored:
    """The measure of a network, which is what every board computes, to the bit."""
    from nhot.stages import NetworkStage

    return _score(NetworkStage(network), data)


def _score(stage: Stage, data: TrialData) -> Scored:
    from nhot.experiments.evaluation import evaluate

    spec = data.spec
    found = evaluate(stage, data.source, split=data.split, task=spec.task, most=spec.measured)
    return Scored(metric=found.metric, value=found.value, samples=found.samples, stage=stage.kind,
                  figures=dict(found.figures), held_out=data.held_out)
