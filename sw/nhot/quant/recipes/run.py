"""Training in the stages of a recipe."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from nhot.errors import NhotError
from nhot.experiments.training import (
    Augment,
    CrossEntropy,
    Loss,
    Settings,
    fit,
    mean_loss,
    repeatable,
)
from nhot.experiments.training.batches import Data, TensorData, as_data
from nhot.experiments.training.environment import placed
from nhot.experiments.training.log import RunLog, make_folder
from nhot.experiments.training.loop import CHECKPOINT, LOG, Evaluate
from nhot.experiments.training.metrics import in_order
from nhot.experiments.training.ranks import join
from nhot.files import write_atomically
from nhot.network.requant import MAX_TERMS
from nhot.quant.layers import QuantAffine
from nhot.quant.model import QuantModel
from nhot.quant.recipes.plan import Recipe, Stage
from nhot.schema import read_json

__all__ = ["RecipeResult", "StageResult", "run_recipe"]

RESULT = "result.json"
CALIBRATION = 512
"""Samples that ranges, and the loss before and after a stage, are taken from."""


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """What a stage did.

    Parameters
    ----------
    name, format : str
    measure : str
        What ``before`` and ``after`` are: "metric", as ``evaluate`` gave it, or "loss".
    before, after : float
        Rounded to the format and calibrated, then after training.
    epochs : int
    seconds : float
    """

    name: str
    format: str
    measure: str
    before: float
    after: float
    epochs: int
    seconds: float


@dataclass(frozen=True)
class RecipeResult:
    """What each stage of a recipe did."""

    recipe: str
    stages: tuple[StageResult, ...]


def run_recipe(
    model: QuantModel, data: Data, recipe: Recipe, *, loss: Loss | None = None,
    augment: Augment | None = None, evaluate: Evaluate | None = None,
    samples: ArrayLike | Tensor | None = None, run: str | os.PathLike[str] | None = None,
    what: str = "",
) -> RecipeResult:
    """Train a quantised model in all stages of ``recipe``, in place.

    Each stage rounds the weights to its format, with scales and ranges searched anew, and trains.
    The loss may be :class:`nhot.experiments.training.Distillation` of the float model.

    Parameters
    ----------
    data, loss, augment
        As :func:`nhot.experiments.training.fit` has them.
    evaluate : callable, optional
        Measures the model before and after each stage, and after epochs; the mean loss of some
        samples is taken without it.
    samples : (samples, ...), optional
        What ranges are taken from; without it the first 512 samples of ``data``.
    run : path, optional
        A folder with a checkpoint and a log for each stage. Stages that were finished in it are
        not repeated, a half-finished one goes on where it was.
    what : str
        Names the training in progress lines.
    """
    folder = None if run is None else make_folder(run)
    for stage in recipe.stages:
        if stage.settings.precision != "fp32":
            raise NhotError("Precision of a quantised model must be fp32: bf16 moves its roundings")
    job = _Job(model, data, loss, augment, evaluate, samples)
    log = RunLog(folder / LOG if folder and join().first else None)
    log.write("recipe", name=recipe.name, stages=[stage.name for stage in recipe.stages])
    results = []
    for index, stage in enumerate(recipe.stages):
        inner = folder and make_folder(folder / f"{index + 1}-{_folder(stage.name)}")
        results.append(job.train(stage, inner, what))
        log.write("stage", **dataclasses.asdict(results[-1]))
    return RecipeResult(recipe.name, tuple(results))


class _Job:
    """What all stages of :func:`run_recipe` share."""

    def __init__(
        self, model: QuantModel, data: Data, loss: Loss | None, augment: Augment | None,
        evaluate: Evaluate | None, samples: ArrayLike | Tensor | None,
    ):
        self.model, self.data, self.loss = model, as_data(data), loss
        self.augment, self.evaluate = augment, evaluate and _on_cpu(evaluate)
        self.head = TensorData(*next(in_order(self.data, CALIBRATION)))
        self.samples = self.head.tensors[0] if samples is None else samples

    def train(self, stage: Stage, folder: Path | None, what: str) -> StageResult:
        """Train one stage, or load it if ``folder`` has it finished."""
        if stage.restart:
            restart(self.model, stage.settings.seed)
        self.model.set_format(stage.format)
        known = folder and (folder / CHECKPOINT).exists() and _read(folder / RESULT)
        if not known:
            self.model.calibrate(self.samples)
            if stage.restart:
                self.model.release_scales()
            before = self._measure(stage.settings)
        history = fit(
            self.model, self.data, stage.settings, loss=self.loss, augment=self.augment,
            evaluate=self.evaluate, on_epoch=_set_progress, run=folder,
            facts=self._facts(stage),
            what=f"{what or ('training' if stage.restart else 'fine-tuning')} {stage.name}",
        )
        if known:
            return known
        result = StageResult(
            name=stage.name, format=stage.format_name, before=before,
            measure="metric" if self.evaluate else "loss", seconds=history.seconds,
            after=self._measure(stage.settings) if history.metric is None else history.metric,
            epochs=len(history.epochs),
        )
        if folder and join().first:
            text = json.dumps(dataclasses.asdict(result), indent=1) + "\n"
            write_atomically(folder / RESULT, text.encode())
        return result

    def _facts(self, stage: Stage) -> dict[str, object]:
        """What a stage that goes on must have been; few terms are said where there are few."""
        facts: dict[str, object] = {"stage": stage.name, "format": stage.format_name}
        terms = self.model.requant_terms
        return facts if terms == MAX_TERMS else {**facts, "requant_terms": terms}

    @torch.no_grad()
    def _measure(self, settings: Settings) -> float:
        self.model.eval()
        if self.evaluate:
            return self.evaluate(self.model)
        return mean_loss(
            self.model, self.head, self.loss or CrossEntropy(settings.label_smoothing)
        )


def restart(model: QuantModel, seed: int) -> None:
    """Draw weights anew as torch does for its own layers; biases and statistics start over."""
    with repeatable(seed), torch.no_grad():
        for layer in model.filters:
            if isinstance(layer, QuantAffine):
                continue  # constants of the model, which are not trained
            nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5))
            layer.bias.zero_()
            if layer.norm is not None:
                layer.norm.reset_parameters()


def _on_cpu(evaluate: Evaluate) -> Evaluate:
    """Measure on the processor, where the arithmetic of integers is."""
    def measured(model: nn.Module) -> float:
        with placed(model, torch.device("cpu"), channels_last=False):
            return float(evaluate(model))

    return measured


def _set_progress(model: nn.Module, part: float) -> None:
    assert isinstance(model, QuantModel)
    model.set_progress(part)


def _read(path: Path) -> StageResult | None:
    return read_json(StageResult, path, "Result") if path.exists() else None


def _folder(name: str) -> str:
    return re.sub(r"[^\w.+@-]", "_", name)
