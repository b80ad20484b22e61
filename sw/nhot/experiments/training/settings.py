"""The settings of a training, checked when they are made."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from nhot.errors import NhotError

__all__ = ["Settings"]

OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("one-cycle", "cosine", "constant")
PRECISIONS = ("fp32", "bf16")
DEVICES = ("auto", "cpu", "cuda")
HOW = {"identity": False}
"""Marks a setting that says how fast or how often, and not what is trained."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to train; the defaults suit a small convolutional network.

    Parameters
    ----------
    epochs : int
    lr : float
        The highest learning rate of the schedule.
    batch : int
        Samples in a step, over all processes together.
    optimizer : "sgd", "adam" or "adamw"
    momentum : float
        Of sgd.
    nesterov : bool
        Of sgd.
    weight_decay : float
        Of weights: not of biases, normalisation and scales.
    schedule : "one-cycle", "cosine" or "constant"
        The rate by step. One-cycle starts and ends near zero, and moves the first momentum of adam
        and adamw against the rate, as its source has it (arXiv 1708.07120).
    warmup : float, optional
        The part of all steps that the rate rises in; 0.3 for one-cycle and none for the others.
    freeze_statistics : bool
        Keep mean and variance of batch normalisation as they are: for fine-tuning in small batches.
    label_smoothing : float
        Of the cross entropy that is the loss if no other is given.
    seed : int
        The same seed gives the same model on the same machine and number of threads.
    precision : "fp32" or "bf16"
        bf16 computes convolutions and products in bfloat16; parameters stay float32.
    channels_last : bool
        Keep images as (batch, height, width, channels) in memory, which convolutions are faster on.
    evaluate_every : int
        Epochs from one evaluation to the next; there is always one after the last.
    device : "auto", "cpu" or "cuda"
        Auto is the GPU if there is one.
    threads : int, optional
        Of the processor; None is torch's own choice. One is fastest for a small network.
    workers : int
        Processes that read a data set which is not in memory.
    save_minutes : float
        Checkpoints come after each epoch and, within one, this often.
    """

    epochs: int
    lr: float
    batch: int = 128
    optimizer: str = "sgd"
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 0.0
    schedule: str = "cosine"
    warmup: float | None = None
    freeze_statistics: bool = False
    label_smoothing: float = 0.0
    seed: int = 0
    precision: str = "fp32"
    channels_last: bool = True
    evaluate_every: int = field(default=1, metadata=HOW)
    device: str = field(default="auto", metadata=HOW)
    threads: int | None = field(default=1, metadata=HOW)
    workers: int = field(default=0, metadata=HOW)
    save_minutes: float = field(default=10.0, metadata=HOW)

    def __post_init__(self) -> None:
        _at_least("Epochs", self.epochs, 1)
        _at_least("Evaluate_every", self.evaluate_every, 1)
        _at_least("Seed", self.seed, 0)
        _at_least("Workers", self.workers, 0)
        if self.threads is not None:
            _at_least("Threads", self.threads, 1)
        if self.batch < 2:
            raise NhotError(f"Batches must have at least 2 samples, not {self.batch}")
        for name in ("lr", "save_minutes"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise NhotError(f"{name.capitalize()} must be a positive number, not {value}")
        for name in ("momentum", "weight_decay", "label_smoothing", "warmup"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise NhotError(f"{name.capitalize()} must be 0 or more and below 1, not {value}")
        for name, choices in (
            ("optimizer", OPTIMIZERS), ("schedule", SCHEDULES), ("precision", PRECISIONS),
            ("device", DEVICES),
        ):
            if getattr(self, name) not in choices:
                raise NhotError(f"{name.capitalize()} must be one of {', '.join(choices)}, "
                                f"not {getattr(self, name)!r}")

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that a training must share with the checkpoint it goes on from."""
        return {
            one.name: getattr(self, one.name) for one in dataclasses.fields(self)
            if one.metadata.get("identity", True)
        }


def _at_least(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise NhotError(f"{name} must be a whole number, not {value!r}")
    if value < least:
        raise NhotError(f"{name} must be at least {least}, not {value}")
