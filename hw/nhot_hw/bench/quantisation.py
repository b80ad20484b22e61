"""How fast rounding and fake quantisation are, beside what they are to be compared with."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from nhot.experiments.models import build, entry
from nhot.experiments.training import repeatable
from nhot.formats import parse
from nhot.quant.quantize import quantize
from nhot.quant.weights import WeightSpec, nearest, weight_quant

__all__ = ["COLUMNS", "Row", "legend", "measure", "rounding", "training_step"]

COLUMNS = ("what", "network", "format", "seconds", "beside", "ratio")
BATCH = 128
FORMATS = ("2hot", "int8", "signed-binary")


class Row(NamedTuple):
    """A time in seconds, and another of the same run that it is a multiple of."""

    what: str
    network: str
    format: str
    seconds: float
    beside: float

    def cells(self) -> list[str]:
        """The row of the table, in the order of :data:`COLUMNS`."""
        ratio = f"{self.seconds / self.beside:.2f}"
        return [*self[:3], f"{self.seconds:.3f}", f"{self.beside:.3f}", ratio]

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {**self._asdict(), "ratio": round(self.seconds / self.beside, 3)}


def measure(*, quick: bool = False) -> list[Row]:
    """All rows; ``quick`` measures a small network, to try the command."""
    large, small = ("resnet8", "digits") if quick else ("resnet18", "resnet8")
    times = 2 if quick else 5
    return [
        rounding(large, "2hot"), *(training_step(small, format, times) for format in FORMATS)
    ]


def rounding(network: str, format: str, threads: int = 2) -> Row:
    """Search a scale for each filter and round all weights, beside rounding alone."""
    model = build(network)
    weights = [
        module.weight.detach() for module in model.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    spec = WeightSpec(format=parse(format))
    with repeatable(0, threads):
        seconds = _time(lambda: [weight_quant(spec, one).integers(one) for one in weights])
        beside = _time(lambda: [nearest(one, spec.format) for one in weights])
    return Row("search and rounding, beside rounding", network, format, seconds, beside)


def training_step(network: str, format: str, times: int, threads: int = 1) -> Row:
    """A step of training with everything rounded, beside the float step; the best of ``times``."""
    shape = entry(network).input_shape
    with repeatable(0, threads):
        model = build(network)
        x = torch.rand(BATCH, *shape).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            classes = model.eval()(x[:2]).shape[1]
        labels = torch.randint(classes, (BATCH,))
        steps = [_step(one, x, labels) for one in (quantize(model, format, x[:32]), model)]
        # By turns, so that what else the machine does falls on both.
        best = map(min, zip(*([_time(step) for step in steps] for _ in range(times)), strict=True))
    return Row("a training step, beside the float one", network, format, *best)


def legend() -> list[str]:
    """What was measured with, one sentence a line."""
    return [
        "Rounding uses two threads, a training step one; batches of 128, channels last.",
        f"{platform.machine()}, torch {torch.__version__}.",
    ]


def _step(model: nn.Module, x: torch.Tensor, labels: torch.Tensor) -> Callable[[], None]:
    model.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    step()  # memory is set up in the first one
    return step


def _time(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
