"""The one training loop: any model, any loss, float or quantised."""

from __future__ import annotations

import dataclasses
import io
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nhot.errors import NhotError
from nhot.experiments.training.batches import Augment, Batch, Batches, Data
from nhot.experiments.training.checkpoint import describe, read_checkpoint, write_checkpoint
from nhot.experiments.training.environment import (
    mixed,
    move,
    placed,
    precision,
    repeatable,
    training_device,
)
from nhot.experiments.training.history import Epoch, History, Place
from nhot.experiments.training.log import RunLog, make_folder, versions
from nhot.experiments.training.losses import CrossEntropy, Loss
from nhot.experiments.training.optimizer import build_optimizer, build_schedule
from nhot.experiments.training.ranks import Ranks, join
from nhot.experiments.training.settings import Settings
from nhot.progress import Progress
from nhot.schema import check_values

__all__ = ["CHECKPOINT", "LOG", "Evaluate", "OnEpoch", "fit"]

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"

Evaluate = Callable[[nn.Module], float]
"""Measures a model in evaluation mode; no gradients are kept."""

OnEpoch = Callable[[nn.Module, float], None]
"""Called as an epoch begins, with the part of the training that is done: 0 to below 1."""


def fit(
    model: nn.Module, data: Data, settings: Settings, *, loss: Loss | None = None,
    augment: Augment | None = None, evaluate: Evaluate | None = None,
    on_epoch: OnEpoch | None = None, run: str | os.PathLike[str] | None = None,
    facts: Mapping[str, object] | None = None, what: str = "training",
) -> History:
    """Train ``model`` in place, and leave it in evaluation mode.

    The result depends on model, data and settings only, not on random numbers drawn before; none
    are drawn from the global generator. Under ``torchrun`` all processes must call it alike.

    Parameters
    ----------
    data : tuple of arrays, or a data set that gives tuples of arrays
        The tensors of a batch are what the loss is called with after the model.
    settings : Settings
    loss : Loss, optional
        ``loss(model, *batch)``; cross entropy of (samples, labels) without it.
    augment : Augment, optional
        Changes each batch at random.
    evaluate : callable, optional
        Measures the model after an epoch; goes into history and log.
    on_epoch : callable, optional
        Called as an epoch begins, the model in training mode.
    run : path, optional
        A folder for checkpoint and log. If it has a checkpoint of this training, that is gone on
        from, to the same result; a training that was finished is loaded.
    facts : mapping, optional
        By name, what else a checkpoint must agree in.
    what : str
        Names the training in progress lines.

    Raises
    ------
    NhotError
        The loss is not finite, or the folder has the checkpoint of another training.
    """
    ranks = join()
    device = training_device(settings, ranks)
    batches = Batches(data, settings.batch, ranks, workers=settings.workers)
    folder = None if run is None else make_folder(run)
    if settings.precision != "fp32" and getattr(model, "full_precision", False):
        raise NhotError("Precision of a quantised model must be fp32: bf16 moves its roundings")
    with (
        repeatable(settings.seed, settings.threads),
        placed(model, device, channels_last=settings.channels_last),
    ):
        training = _Training(model, batches, settings, ranks, device, folder, facts or {})
        training.loss = loss or CrossEntropy(settings.label_smoothing)
        training.augment, training.evaluate, training.on_epoch = augment, evaluate, on_epoch
        try:
            training.run(what)
        finally:
            model.eval()
    return History(tuple(training.history))


class _Training:
    """A training under way: what :func:`fit` was called with, and how far it is."""

    loss: Loss
    augment: Augment | None
    evaluate: Evaluate | None
    on_epoch: OnEpoch | None

    def __init__(
        self, model: nn.Module, batches: Batches, settings: Settings, ranks: Ranks,
        device: torch.device, folder: Path | None, facts: Mapping[str, object],
    ):
        self.model, self.batches, self.settings = model, batches, settings
        self.ranks, self.device, self.folder = ranks, device, folder
        self.steps = -(-len(batches.data) // settings.batch) * settings.epochs
        self.optimizer = build_optimizer(model, settings)
        self.schedule = build_schedule(self.optimizer, settings, self.steps)
        self.order = torch.Generator().manual_seed(settings.seed)
        self.augmenting = torch.Generator()
        self.epoch = self.step = 0  # finished ones; steps of the present epoch
        self.total, self.seen, self.seconds = 0.0, 0, 0.0  # of the present epoch
        self.rate = settings.lr  # of the last step
        self.history: list[Epoch] = []
        self.facts = describe(model, {"samples": len(batches.data), **settings.identity, **facts})
        self.log = RunLog(folder / LOG if folder and ranks.first else None)
        self.saved = time.monotonic()

    def run(self, what: str) -> None:
        """Train all epochs that are left."""
        self._resume()
        self.ranks.share_state(self.model)
        if self.epoch == self.settings.epochs:
            return
        self.log.write(
            "resume" if self.epoch or self.step else "start", what=what, epoch=self.epoch,
            step=self.step, settings=dataclasses.asdict(self.settings), versions=versions(),
            device=str(self.device), processes=self.ranks.size, samples=len(self.batches.data),
        )
        left = len(self.batches) * (self.settings.epochs - self.epoch) - self.step
        stream = None if self.ranks.first else io.StringIO()
        with Progress(what, left, unit="steps", stream=stream) as progress:
            while self.epoch < self.settings.epochs:
                self._train_epoch(progress)

    def _train_epoch(self, progress: Progress) -> None:
        self.model.train()
        if self.settings.freeze_statistics:
            for module in self.model.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        if self.on_epoch:
            self.on_epoch(self.model, self.epoch / self.settings.epochs)
        began = self.order.get_state()
        since = time.monotonic() - self.seconds
        for size, batch in self.batches.epoch(self.order, self.step):
            self.total += self._train_step(batch, size) * size
            self.seen += size
            self.step += 1
            self.seconds = time.monotonic() - since
            progress.step()
            if time.monotonic() - self.saved > 60 * self.settings.save_minutes:
                self._save(began)
        self._finish_epoch(since)

    def _train_step(self, batch: Batch, size: int) -> float:
        """One step of the optimiser; the mean loss over the ``size`` samples of all processes."""
        seed = mixed(self.settings.seed, self.epoch, self.step, self.ranks.rank)
        torch.manual_seed(seed)  # of what is random in the model, as dropout
        if self.augment:
            batch = self.augment(batch, self.augmenting.manual_seed(seed))
        moved = move(batch, self.device, channels_last=self.settings.channels_last)
        self.optimizer.zero_grad()
        with precision(self.settings, self.device):
            loss = _computed(self.loss, self.model, moved)
        # Shares of a batch may differ by a sample; their sum is the mean over all of it.
        loss = loss.float() * (len(batch[0]) / size)
        loss.backward()  # type: ignore[no-untyped-call]
        value = float(self.ranks.share_gradients(self.model.parameters(), loss.detach()))
        if not math.isfinite(value):
            raise NhotError(f"Training must not diverge; the rate {self.settings.lr} is too high "
                            f"for it, in epoch {self.epoch + 1}")
        self.rate = float(self.schedule.get_last_lr()[0])
        self.optimizer.step()
        self.schedule.step()
        return value

    def _finish_epoch(self, since: float) -> None:
        metric = None
        self.epoch += 1
        last = self.epoch == self.settings.epochs
        # Statistics of batch normalisation are each process's own; the first one's are kept.
        self.ranks.share_state(self.model)
        if self.evaluate and (last or self.epoch % self.settings.evaluate_every == 0):
            self.model.eval()
            with torch.no_grad():
                metric = float(self.evaluate(self.model))
        self.history.append(Epoch(
            epoch=self.epoch, loss=self.total / self.seen, metric=metric,
            lr=self.rate, seconds=time.monotonic() - since,
        ))
        self.step = self.seen = 0
        self.total = self.seconds = 0.0
        self.log.write("epoch", **dataclasses.asdict(self.history[-1]))
        self._save(self.order.get_state())

    def _save(self, order: Tensor) -> None:
        """Write a checkpoint; ``order`` is the state of the shuffling as the epoch began."""
        if self.folder is None or not self.ranks.first:
            return
        write_checkpoint(self.folder / CHECKPOINT, {
            "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(), "order": order, "epoch": self.epoch,
            "step": self.step, "total": self.total, "seen": self.seen, "seconds": self.seconds,
            "rate": self.rate, "history": [dataclasses.asdict(one) for one in self.history],
        }, self.facts)
        self.saved = time.monotonic()

    def _resume(self) -> None:
        if self.folder is None:
            return
        path = self.folder / CHECKPOINT
        state = read_checkpoint(path, self.facts)
        if state is None:
            return
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            self.order.set_state(state["order"])
            self.history = [Epoch(**one) for one in state["history"]]
            numbers = {field.name: state[field.name] for field in dataclasses.fields(Place)}
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
            raise NhotError(f"Checkpoint {str(path)!r} must be one that nhot wrote") from None
        place = check_values(Place, numbers, f"Checkpoint {str(path)!r}")
        for name, value in dataclasses.asdict(place).items():
            setattr(self, name, value)


def _computed(loss: Loss, model: nn.Module, batch: Batch) -> Tensor:
    """The loss, checked to be one number; a model that needs another memory order is named."""
    try:
        value: Any = loss(model, *batch)
    except RuntimeError as error:
        if "view size is not compatible" not in str(error):
            raise
        raise NhotError("Model must use reshape or flatten rather than view on images, or be "
                        "trained with channels_last=False") from None
    if not isinstance(value, Tensor) or value.numel() != 1 or not value.requires_grad:
        raise NhotError("Loss must be a tensor of one number that depends on parameters of the "
                        f"model, not {value!r}")
    return value.reshape(())
