"""The settings of a training, checked when they are made."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from nhot.errors import NhotError

__all__ = ["Settings", "check_seed"]

OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("one-cycle", "cosine", "constant")
PRECISIONS = ("fp32", "bf16")
DEVICES = ("auto", "cpu", "cuda")
MOST = 2**31 - 1
"""Of what is counted in epochs, steps and samples."""
MOST_PROCESSES = 1024
"""Of workers and threads: a slip of the finger would take the machine down."""
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
        check_seed(self.seed)
        _whole("Epochs", self.epochs, 1, MOST)
        _whole("Evaluate_every", self.evaluate_every, 1, MOST)
        _whole("Batch", self.batch, 2, MOST)
        _whole("Workers", self.workers, 0, MOST_PROCESSES)
        if self.threads is not None:
            _whole("Threads", self.threads, 1, MOST_PROCESSES)
        if not 0 < self.lr <= 1e38:  # torch computes with it in float32
            raise NhotError(f"Lr must be above 0 and at most 1e38, not {self.lr}")
        if not 0 < self.save_minutes < math.inf:
            raise NhotError(f"Save_minutes must be a positive number, not {self.save_minutes}")
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


def check_seed(seed: int) -> None:
    """Refuse a seed that torch's random numbers cannot begin with."""
    _whole("Seed", seed, 0, 2**64 - 1)


def _whole(name: str, value: int, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise NhotError(f"{name} must be a whole number, not {value!r}")
    if not least <= value <= most:
        raise NhotError(f"{name} must be {least} to {most}, not {value}")
