"""Optimisers and the rate by step."""

from __future__ import annotations

import math

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from nhot.errors import NhotError
from nhot.experiments.training.settings import Settings

__all__ = ["build_optimizer", "build_schedule"]


def build_optimizer(model: nn.Module, settings: Settings) -> Optimizer:
    """The optimiser of all parameters of ``model`` that are trained."""
    if not any(one.requires_grad for one in model.parameters()):
        raise NhotError("Model to train must have parameters that are not frozen")
    groups = _groups(model, settings.weight_decay)
    if settings.optimizer == "sgd":
        return SGD(
            groups, lr=settings.lr, momentum=settings.momentum,
            nesterov=settings.nesterov and settings.momentum > 0,
        )
    kind = Adam if settings.optimizer == "adam" else AdamW
    return kind(groups, lr=settings.lr, weight_decay=0.0)


def build_schedule(optimizer: Optimizer, settings: Settings, steps: int) -> LRScheduler:
    """The rate by step, over ``steps`` in all."""
    warmup = settings.warmup
    if settings.schedule == "one-cycle":
        return OneCycleLR(
            optimizer, max_lr=settings.lr, total_steps=max(steps, 2),
            pct_start=0.3 if warmup is None else warmup,
            cycle_momentum=settings.optimizer != "sgd",  # momentum of sgd is as it was set
        )
    rising = round((warmup or 0.0) * steps)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        if settings.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(steps - rising, 1)))

    return LambdaLR(optimizer, factor)


def _groups(model: nn.Module, decay: float) -> list[dict[str, object]]:
    """Parameters with ``decay``: matrices and filters. And those without: vectors, scales."""
    named = [(name, one) for name, one in model.named_parameters() if one.requires_grad]
    if not decay:
        return [{"params": [one for _, one in named]}]
    weights = [
        one for name, one in named if one.dim() > 1 and "weight" in name.rpartition(".")[2]
    ]
    ids = {id(one) for one in weights}
    rest = [one for _, one in named if id(one) not in ids]
    return [{"params": weights, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]
