"""Rows of a study, trained and measured; what is done already is not done again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from nhot.errors import NhotError
from nhot.experiments import training
from nhot.experiments.data.coco_folds import coco_fold
from nhot.experiments.models import build, entry
from nhot.experiments.studies.choosing import Trial, best, held_back
from nhot.experiments.studies.common import FLOAT
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

TRIAL_SEED = 0
"""Of candidates; the rows that are chosen have seeds of their own."""

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


@dataclass(frozen=True)
class _Trained:
    """A row as it came out of its training, and what it was measured with on the way."""

    model: nn.Module
    score: float
    stages: dict[str, float]
    epochs: int


class Runner:
    """Trains rows of a study.

    Parameters
    ----------
    study : Study
    task : Task
    folder : Path
        For checkpoints, logs and records: a folder for each row and candidate, in it one for each
        seed, and one for the trial of a candidate.
    """

    def __init__(self, study: Study, task: Task, folder: Path):
        self.study, self.task, self.folder = study, task, folder
        assert isinstance(task.data, tuple)
        assert task.measure is not None
        self.data, self.measure, self.test = task.data, task.measure, task.measure
        if study.validation:
            held = held_back(task.data[1], study.validation)
            self.data = tuple(array[~held] for array in task.data)
            validation = tuple(array[held] for array in task.data)
            self.measure = partial(training.accuracy, data=validation)
        self.samples = self.data[0][: SAMPLES[study.data]]
        self.augment = AUGMENTS.get(study.data)
        self.input_range = task.source.splits.input_range
        self.trials: dict[str, Trial] = {}

    def run(self, row: Row, seed: int) -> Record:
        """Train ``row``, or the best of its candidates, unless it has been, and give its record."""
        path = self._folder(row.name, f"seed{seed}") / "record.json"
        if path.is_file():
            return Record.load(path)
        trials = [self._try(one) for one in row.candidates]
        source = row.candidate(best(trials, row.densest).name) if trials else row
        done = self._train(source, seed, self._folder(source.name, f"seed{seed}"))
        record = self._record(row.name, source, seed, done)
        if trials:
            figures = {one.name: {"validation": one.validation, "density": one.density}
                       for one in trials}
            record = replace(record, chosen=source.name, candidates=figures)
        path.parent.mkdir(parents=True, exist_ok=True)
        record.save(path)
        return record

    def _try(self, row: Row) -> Trial:
        """What a candidate is worth on validation samples; a training that is done is loaded."""
        if row.name not in self.trials:
            trial = replace(row, settings={**row.settings, **self.study.trial})
            done = self._train(trial, TRIAL_SEED, self._folder(row.name, "trial"))
            assert isinstance(done.model, QuantModel)
            density = count(to_network(done.model, row.name)).density
            self.trials[row.name] = Trial(
                name=row.name, validation=done.score, density=round(density, 6))
        return self.trials[row.name]

    def _train(self, row: Row, seed: int, folder: Path) -> _Trained:
        folder.mkdir(parents=True, exist_ok=True)
        if row.recipe == "float":
            model = self._float(seed, row)
            epochs = int({**self.study.float_training, **row.settings}["epochs"])
            return _Trained(model, self.measure(model), {}, epochs)
        return self._quantised(row, seed, folder)

    def _float(self, seed: int, row: Row = FLOAT) -> nn.Module:
        """A float network, without a row that of the study, trained unless it has been."""
        model = self._fresh(row, seed)
        folder = self._folder(row.name, f"seed{seed}")
        folder.mkdir(parents=True, exist_ok=True)
        settings = self._settings({**self.study.float_training, **row.settings}, seed)
        training.fit(
            model, self.data, settings, loss=self.task.loss, augment=self.augment, run=folder,
            what=f"{self.study.name} {row.name}",
        )
        return model

    def _quantised(self, row: Row, seed: int, folder: Path) -> _Trained:
        scratch = row.recipe == "from-scratch"
        values = self.study.scratch if scratch else self.study.tuning
        settings = self._settings({**values, **row.settings}, seed)
        start = self._fresh(row, seed) if scratch else self._float(seed)
        model = quantize(
            start, row.format, self.samples, input_range=self.input_range, **row.options
        )
        if row.recipe in UNTRAINED:
            stages = {"rounded": self.measure(model)}
            if row.recipe != "rounded":
                adaptive = row.recipe == "adaptive"
                post_train(model, start, self.samples, adaptive=adaptive, seed=seed)
                stages[row.recipe] = self.measure(model)
            return _Trained(model, stages[row.recipe], stages, 0)
        plan = recipe(row.recipe, model.formats, settings)
        parts = _shares(settings.epochs, len(plan.stages))
        plan = replace(plan, stages=tuple(
            replace(stage, settings=replace(stage.settings, epochs=part))
            for stage, part in zip(plan.stages, parts, strict=True)
        ))
        # The first of several stages begins in another format than the row's.
        stages = {"rounded": self.measure(model)} if len(plan.stages) > 1 else {}
        result = run_recipe(
            model, self.data, plan, loss=self.task.loss, augment=self.augment,
            evaluate=self.measure, samples=self.samples, run=folder,
            what=f"{self.study.name} {row.name}, stage",
        )
        if not stages and not scratch:
            stages["rounded"] = result.stages[0].before
        stages |= {stage.name: stage.after for stage in result.stages}
        return _Trained(model, result.stages[-1].after, stages, settings.epochs)

    def _fresh(self, row: Row, seed: int) -> nn.Module:
        with repeatable(seed, 1):
            return build(
                row.model or self.study.network, **{**self.study.options, **row.network}
            )

    def _settings(self, values: Mapping[str, Any], seed: int) -> Settings:
        return Settings(**{"seed": seed, "evaluate_every": 1000, **values})

    def _folder(self, row: str, inner: str) -> Path:
        return self.folder / row.replace("/", "-") / inner

    def _record(self, name: str, row: Row, seed: int, done: _Trained) -> Record:
        """The record of the row called ``name``, which was trained as ``row``."""
        model, counts, additions = done.model, {}, {}
        if isinstance(model, QuantModel):
            network = to_network(model, name)
            counts = asdict(count(network))
            additions = asdict(network_additions(network, parse(row.format)))
        facts, resampled = {}, []
        if isinstance(self.test, Precision):
            facts = self.test.figures(model)
            if self.study.folds:
                resampled = self.test.resampled(model, DRAWS, seed)
        held = self.study.validation > 0
        return Record(
            study=self.study.name, row=name, seed=seed, metric=self.study.metric,
            score=self.test(model) if held else done.score,
            validation=done.score if held else None,
            stages=done.stages, counts=counts, additions=additions, epochs=done.epochs,
            facts=facts, resampled=[round(value, 5) for value in resampled],
        )


def _shares(epochs: int, count: int) -> list[int]:
    """``epochs`` shared out among stages, the first ones having what is left over."""
    return [epochs // count + (index < epochs % count) for index in range(count)]
