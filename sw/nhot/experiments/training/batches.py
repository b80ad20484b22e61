"""Batches of a data set: shuffled, shared out among processes, the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.utils.data import DataLoader

from nhot.errors import NhotError
from nhot.experiments.training.ranks import Ranks

__all__ = ["Augment", "Batch", "Batches", "Data", "MapData", "TensorData", "as_data"]

Batch = tuple[Tensor, ...]

Augment = Callable[[Batch, torch.Generator], Batch]
"""Changes a batch at random, drawing from the generator only."""


@runtime_checkable
class MapData(Protocol):
    """A data set that gives one sample at a time: a tuple of arrays, each always of one shape."""

    def __len__(self) -> int:
        """Samples."""

    def __getitem__(self, index: int, /) -> Any:
        """A sample: a tuple of arrays, tensors or numbers."""


class TensorData:
    """A data set in memory: tensors with the samples along their first axis.

    Parameters
    ----------
    *arrays : (samples, ...)
        Float ones become float32 and whole numbers int64: images are floats, labels whole.
    """

    def __init__(self, *arrays: ArrayLike | Tensor):
        if not arrays:
            raise NhotError("Data must have at least one array")
        self.tensors = tuple(_tensor(array) for array in arrays)
        counts = {len(tensor) if tensor.dim() else 0 for tensor in self.tensors}
        if len(counts) > 1 or not counts.pop():
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in self.tensors)
            raise NhotError(f"Arrays of data must have the same number of samples, not {shapes}")
        floats = (tensor for tensor in self.tensors if tensor.is_floating_point())
        if not all(bool(torch.isfinite(tensor).all()) for tensor in floats):
            raise NhotError("Data must be finite numbers, not NaN or infinite")

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int, /) -> Batch:
        return tuple(tensor[index] for tensor in self.tensors)

    def take(self, indices: Tensor) -> Batch:
        """The samples of these indices, as a batch."""
        return tuple(tensor[indices] for tensor in self.tensors)


Data = TensorData | MapData | Sequence[ArrayLike | Tensor]
"""A tuple of arrays, samples first, or a data set that gives one sample at a time."""


def as_data(data: Data) -> TensorData | MapData:
    """``data`` as a data set; a tuple or list is one of arrays."""
    if isinstance(data, (tuple, list)):
        return TensorData(*data)
    if isinstance(data, (np.ndarray, Tensor)):
        return TensorData(data)
    if not isinstance(data, MapData):
        raise NhotError("Data must be a tuple of arrays, or have __len__ and __getitem__, "
                        f"not {type(data).__name__}")
    if not len(data):
        raise NhotError("Data must have at least one sample")
    return data


class Batches:
    """The batches of an epoch, for one process of several.

    All processes draw the same order and cut it at the same places; each takes every n-th sample
    of a batch, so that together they have the batch that one process would have.

    Parameters
    ----------
    data : Data
    size : int
        Samples of a batch, over all processes.
    ranks : Ranks
    workers : int
        Processes that read a data set which is not in memory.
    """

    def __init__(self, data: Data, size: int, ranks: Ranks | None = None, *, workers: int = 0):
        self.data = as_data(data)
        self.size = size
        self.ranks = ranks or Ranks()
        self.workers = workers
        # Batch normalisation has no statistics of one sample: each process needs two of a batch.
        self.least = 2 * self.ranks.size
        if min(size, len(self.data)) < self.least:
            raise NhotError(f"Batches must have at least {self.least} samples, "
                            f"not {min(size, len(self.data))}")

    def __len__(self) -> int:
        """Steps of an epoch; a last batch that is too small for all processes is left out."""
        whole, rest = divmod(len(self.data), self.size)
        return whole + (rest >= self.least)

    def epoch(self, order: torch.Generator, start: int = 0) -> Iterator[tuple[int, Batch]]:
        """Yield (samples over all processes, batch of this one), from batch ``start`` on."""
        indices = torch.randperm(len(self.data), generator=order)
        cut = torch.split(indices, self.size)[start : len(self)]
        mine = (one[self.ranks.rank :: self.ranks.size] for one in cut)
        for whole, batch in zip(cut, self._read(mine), strict=True):
            yield len(whole), batch

    def _read(self, parts: Iterator[Tensor]) -> Iterator[Batch]:
        if isinstance(self.data, TensorData):
            yield from map(self.data.take, parts)
            return
        loader: DataLoader[Any] = DataLoader(
            self.data, batch_sampler=[part.tolist() for part in parts],  # type: ignore[arg-type]
            num_workers=self.workers, collate_fn=collate,
            generator=torch.Generator(),  # else it draws from the global one
        )
        yield from loader


def collate(samples: list[Any]) -> Batch:
    """One batch of samples; their arrays must agree in shape."""
    rows = [one if isinstance(one, (tuple, list)) else (one,) for one in samples]
    if len({len(row) for row in rows}) > 1:
        raise NhotError("Samples of a data set must all have as many arrays as the first")
    columns = []
    for column in zip(*rows, strict=True):
        tensors = [_tensor(one) for one in column]
        shapes = {tuple(tensor.shape) for tensor in tensors}
        if len(shapes) > 1:
            raise NhotError(f"Samples of a data set must have one shape, not {sorted(shapes)}; "
                            "fill them up to it")
        columns.append(torch.stack(tensors))
    return tuple(columns)


def _tensor(array: ArrayLike | Tensor) -> Tensor:
    if isinstance(array, Tensor):
        tensor = array
    else:
        try:
            tensor = torch.from_numpy(np.require(array, requirements=["C", "W"]))
        except (TypeError, ValueError):
            raise NhotError("Data must be arrays of numbers, each of one type and shape") from None
    return tensor.float() if tensor.is_floating_point() else tensor.long()
