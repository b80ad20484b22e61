"""Where a training runs: device, threads, precision, and its own random numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
import torch
from torch import nn

from nhot.errors import NhotError
from nhot.experiments.training.batches import Batch
from nhot.experiments.training.ranks import Ranks
from nhot.experiments.training.settings import Settings, check_seed

__all__ = ["device_of", "mixed", "move", "placed", "precision", "repeatable", "training_device"]


def training_device(settings: Settings, ranks: Ranks) -> torch.device:
    """The device that the settings ask for; each process of a machine has its own GPU."""
    if settings.device == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        if ranks.local >= torch.cuda.device_count():
            raise NhotError("Processes on a machine must be at most one for each of its "
                            f"{torch.cuda.device_count()} GPUs, not {ranks.local + 1} or more")
        device = torch.device("cuda", ranks.local)
        torch.cuda.set_device(device)
        return device
    if settings.device == "cuda":
        raise NhotError("Device must be auto or cpu where torch finds no GPU, not 'cuda'")
    return torch.device("cpu")


def device_of(model: nn.Module) -> torch.device:
    """Where the parameters of ``model`` are."""
    first = next(iter(model.parameters()), None)
    return torch.device("cpu") if first is None else first.device


@contextmanager
def repeatable(seed: int, threads: int | None = 1) -> Iterator[None]:
    """Own random numbers, and one thread: the order of sums depends on the number of threads."""
    check_seed(seed)
    before = torch.get_num_threads()
    devices = range(torch.cuda.device_count())
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        torch.set_num_threads(threads or before)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def mixed(*numbers: int) -> int:
    """A seed that depends on all of ``numbers``, at least 0."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


@contextmanager
def placed(model: nn.Module, device: torch.device, *, channels_last: bool) -> Iterator[None]:
    """``model`` on ``device`` and in the given order of memory; afterwards as it was before."""
    home = device_of(model)
    model.to(device)
    if channels_last:
        _order(model, torch.channels_last)
    try:
        yield
    finally:
        if channels_last:
            _order(model, torch.contiguous_format)
        model.to(home)


def move(batch: Batch, device: torch.device, *, channels_last: bool) -> Batch:
    """The tensors of a batch on ``device``, images in the given order of memory."""
    moved = (one.to(device, non_blocking=True) for one in batch)
    if not channels_last:
        return tuple(moved)
    return tuple(
        one.contiguous(memory_format=torch.channels_last) if one.dim() == 4 else one
        for one in moved
    )


def precision(settings: Settings, device: torch.device) -> AbstractContextManager[object]:
    """What the loss is computed in."""
    if settings.precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def _order(model: nn.Module, order: torch.memory_format) -> None:
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.dim() == 4:
            tensor.data = tensor.data.contiguous(memory_format=order)
