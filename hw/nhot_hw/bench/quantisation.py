"""How fast rounding and fake quantisation are, beside what they are to be compared with."""

from __future__ import annotations

import io
import platform
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from nhot.experiments.models import build, entry
from nhot.experiments.training import repeatable
from nhot.formats import parse
from nhot.quant import to_network
from nhot.quant.quantize import quantize
from nhot.quant.weights import WeightSpec, nearest, weight_quant

__all__ = ["COLUMNS", "Row", "importing", "legend", "measure", "post_training", "rounding",
           "training_step"]

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
    imported, samples = ("digits", 32) if quick else ("mobilenet-v2", 256)
    return [
        rounding(large, "2hot"), *(training_step(small, format, times) for format in FORMATS),
        importing(imported), post_training(imported, "2hot", samples),
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


def importing(network: str, threads: int = 2) -> Row:
    """Read a program of torch.export as a module, beside torch's own reader."""
    from nhot.frontends.exported.program import read_exported
    from nhot.frontends.module import GraphModule

    with repeatable(0, threads), warnings.catch_warnings(action="ignore"):  # torch's, of itself
        sample = torch.zeros(1, *entry(network).input_shape)
        content = io.BytesIO()
        torch.export.save(torch.export.export(build(network).eval(), (sample,)), content)
        seconds = _time(lambda: GraphModule(read_exported(content.getvalue())))
        content.seek(0)
        beside = _time(lambda: torch.export.load(content).module())
    return Row("import of a .pt2, beside torch's own reader", network, "float", seconds, beside)


def post_training(network: str, format: str, samples: int, threads: int = 2) -> Row:
    """Round a network from samples, biases corrected, beside the float network on all of them."""
    with repeatable(0, threads), torch.no_grad():
        model = build(network).eval()
        x = torch.rand(samples, *entry(network).input_shape)
        beside = _time(lambda: [model(part) for part in x.split(32)])
        seconds = _time(lambda: to_network(quantize(model, format, x), network))
    what = f"post-training from {samples} samples, beside those in float"
    return Row(what, network, format, seconds, beside)


def legend() -> list[str]:
    """What was measured with, one sentence a line."""
    return [
        "Two threads, but of a training step one; its batches are of 128, channels last.",
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
