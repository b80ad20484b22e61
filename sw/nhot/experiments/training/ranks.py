"""The processes of a data-parallel training, as ``torchrun`` starts them."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from nhot.errors import NhotError

__all__ = ["Ranks", "join"]

_kept: list[Tensor] = []
"""What was shared last. A thread of gloo may have it a little longer than the call takes: were it
the last to let go of it, it would need the interpreter for that, and abort where that has ended."""


@dataclass(frozen=True)
class Ranks:
    """This process among all; alone unless ``torchrun`` started several.

    Parameters
    ----------
    rank, size : int
        Number of this process, and how many there are.
    local : int
        Number of this process on its machine, which is the number of its GPU.
    """

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    @torch.no_grad()
    def share_state(self, model: nn.Module) -> None:
        """Give every process the parameters and buffers of the first."""
        if self.size > 1:
            for tensor in (*model.parameters(), *model.buffers()):
                # A tensor in channels_last order is sent as it lies in memory.
                whole = tensor.detach().contiguous()
                distributed.broadcast(whole, src=0)
                _kept[:] = [whole]
                tensor.copy_(whole)

    @torch.no_grad()
    def share_gradients(self, parameters: Iterable[nn.Parameter], loss: Tensor) -> Tensor:
        """Sum gradients and ``loss`` over all processes, in place; the sum of the loss.

        A parameter that no process used keeps no gradient: an optimiser leaves it alone, as it
        would in one process. One that only some used, counts as zero in the others.
        """
        if self.size == 1:
            return loss
        listed = list(parameters)
        used = torch.tensor([float(one.grad is not None) for one in listed], device=loss.device)
        grads = [
            (torch.zeros_like(one) if one.grad is None else one.grad).flatten() for one in listed
        ]
        flat = torch.cat([*grads, used, loss.reshape(1)])
        distributed.all_reduce(flat)
        _kept[:] = [flat]
        counts = [one.numel() for one in listed]
        *summed, used, total = torch.split(flat, [*counts, len(listed), 1])
        for one, grad, users in zip(listed, summed, used.tolist(), strict=True):
            if users:
                one.grad = grad.view_as(one)
        return total.reshape(())


def join() -> Ranks:
    """Join the processes that ``torchrun`` started with this one, once; alone without it."""
    size = _variable("WORLD_SIZE", 1)
    if size == 1:
        return Ranks()
    ranks = Ranks(_variable("RANK"), size, _variable("LOCAL_RANK", 0))
    if not distributed.is_initialized():
        gpu = torch.cuda.is_available()
        distributed.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo")
        atexit.register(_leave)
    return ranks


def _leave() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _variable(name: str, default: int | None = None) -> int:
    text = os.environ.get(name, "" if default is None else str(default))
    if not text.isdecimal():
        raise NhotError(f"Environment variable {name} must be a whole number, as torchrun sets it, "
                        f"not {text!r}")
    return int(text)
