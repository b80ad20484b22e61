"""Rows of a study, trained and measured; what is done already is not done again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import nn

from nhot.errors import NhotError
from nhot.experiments import training
from nhot.experiments.data.coco_folds import coco_fold
from nhot.experiments.models import build, entry
from nhot.experiments.studies.record import Record
from nhot.experiments.studies.study import Row, Study
from nhot.experiments.tasks import DIGITS, Source, Task, open_task
from nhot.experiments.tasks.detection import Jitter, Precision
from nhot.experiments.training import Augment, CropFlip, Settings, repeatable
from nhot.formats import parse
from nhot.network.additions import network_additions
from nhot.network.counts import count
from nhot.quant import QuantModel, post_train, quantize, to_network
from nhot.quant.recipes import recipe, run_recipe

__all__ = ["Runner", "open_study"]

SAMPLES = {"digits": 512, "cifar10": 512, "coco": 48}
"""That ranges of activations are taken from; all activations of them are in memory at once."""

AUGMENTS: dict[str, Augment] = {"cifar10": CropFlip(), "coco": Jitter()}

DRAWS = 500
"""Of as many photographs as a fold has, drawn anew: for an interval around a difference."""

UNTRAINED = ("rounded", "bias-corrected", "adaptive")


def open_study(study: Study, data: Path | None, seed: int = 0) -> Task:
    """The task of ``study``, its data set read from the folder ``data``.

    ``seed`` is the number of the fold to measure with, where the study has folds.
    """
    if study.data == DIGITS:
        return open_task("classification", Source(DIGITS))
    if data is None:
        raise NhotError(f"--data must name the folder of the data set {study.data}")
    _, height, width = entry(study.network).input_shape
    source = Source(str(data), (height, width), layout=study.data)
    source.splits.split("test")  # a study is not measured on what a user tunes with
    classes, expected = source.splits.classes, study.options.get("classes", 10)
    if len(classes) != expected:
        raise NhotError(f"Categories of the data set of study {study.name} must be {expected}, "
                        f"not {len(classes)}: {', '.join(classes)}")
    if study.folds:
        source.splits = coco_fold(source.splits, seed, study.folds)
    return open_task("detection" if study.data == "coco" else "classification", source)


class Runner:
    """Trains rows of a study.

    Parameters
    ----------
    study : Study
    task : Task
    folder : Path
        For checkpoints, logs and records: a folder for each row, in it one for each seed.
    """

    def __init__(self, study: Study, task: Task, folder: Path):
        self.study, self.task, self.folder = study, task, folder
        assert isinstance(task.data, tuple)
        assert task.measure is not None
        self.samples = task.data[0][: SAMPLES[study.data]]
        self.augment = AUGMENTS.get(study.data)
        self.input_range = task.source.splits.input_range
        self.measure = task.measure

    def run(self, row: Row, seed: int) -> Record:
        """Train ``row`` unless it has been, and give its record."""
        folder = self._folder(row.name, seed)
        path = folder / "record.json"
        if path.is_file():
            return Record.load(path)
        folder.mkdir(parents=True, exist_ok=True)
        if row.recipe == "float":
            model = self._float(seed)
            epochs = int(self.study.float_training["epochs"])
            record = self._record(row, seed, self.measure(model), {}, model, epochs)
        else:
            record = self._quantised(row, seed, folder)
        record.save(path)
        return record

    def _float(self, seed: int) -> nn.Module:
        """The float network, trained unless it has been."""
        model = self._fresh(seed)
        folder = self._folder("float", seed)
        folder.mkdir(parents=True, exist_ok=True)
        self._fit(model, self._settings(self.study.float_training, seed), folder, "float")
        return model

    def _quantised(self, row: Row, seed: int, folder: Path) -> Record:
        scratch = row.recipe == "from-scratch"
        settings = self._settings(self.study.scratch if scratch else self.study.tuning, seed)
        start = self._fresh(seed, **row.network) if scratch else self._float(seed)
        model = quantize(
            start, row.format, self.samples, input_range=self.input_range, **row.options
        )
        if row.recipe in UNTRAINED:
            stages = {"rounded": self.measure(model)}
            if row.recipe != "rounded":
                adaptive = row.recipe == "adaptive"
                post_train(model, start, self.samples, adaptive=adaptive, seed=seed)
                stages[row.recipe] = self.measure(model)
            return self._record(row, seed, stages[row.recipe], stages, model, 0)
        plan = recipe(row.recipe, model.formats, settings)
        parts = _shares(settings.epochs, len(plan.stages))
        plan = replace(plan, stages=tuple(
            replace(stage, settings=replace(stage.settings, epochs=part))
            for stage, part in zip(plan.stages, parts, strict=True)
        ))
        # The first of several stages begins in another format than the row's.
        stages = {"rounded": self.measure(model)} if len(plan.stages) > 1 else {}
        result = run_recipe(
            model, self.task.data, plan, loss=self.task.loss, augment=self.augment,
            evaluate=self.measure, samples=self.samples, run=folder,
            what=f"{self.study.name} {row.name}, stage",
        )
        if not stages and not scratch:
            stages["rounded"] = result.stages[0].before
        stages |= {stage.name: stage.after for stage in result.stages}
        return self._record(row, seed, result.stages[-1].after, stages, model, settings.epochs)

    def _fit(self, model: nn.Module, settings: Settings, folder: Path, what: str) -> None:
        training.fit(
            model, self.task.data, settings, loss=self.task.loss, augment=self.augment,
            run=folder, what=f"{self.study.name} {what}",
        )

    def _fresh(self, seed: int, **options: Any) -> nn.Module:
        with repeatable(seed, 1):
            return build(self.study.network, **{**self.study.options, **options})

    def _settings(self, values: Mapping[str, Any], seed: int) -> Settings:
        return Settings(**{"seed": seed, "evaluate_every": 1000, **values})

    def _folder(self, row: str, seed: int) -> Path:
        return self.folder / row.replace("/", "-") / f"seed{seed}"

    def _record(
        self, row: Row, seed: int, score: float, stages: dict[str, float],
        model: nn.Module, epochs: int,
    ) -> Record:
        counts, additions = {}, {}
        if isinstance(model, QuantModel):
            network = to_network(model, row.name)
            counts = asdict(count(network))
            additions = asdict(network_additions(network, parse(row.format)))
        facts, resampled = {}, []
        if isinstance(self.measure, Precision):
            facts = self.measure.figures(model)
            if self.study.folds:
                resampled = self.measure.resampled(model, DRAWS, seed)
        return Record(
            study=self.study.name, row=row.name, seed=seed, metric=self.study.metric, score=score,
            stages=stages, counts=counts, additions=additions, epochs=epochs, facts=facts,
            resampled=[round(value, 5) for value in resampled],
        )


def _shares(epochs: int, count: int) -> list[int]:
    """``epochs`` shared out among stages, the first ones having what is left over."""
    return [epochs // count + (index < epochs % count) for index in range(count)]
