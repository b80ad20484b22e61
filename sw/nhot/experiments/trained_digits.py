"""The digits from end to end: train, quantise, fine-tune, and give the integer network."""

from __future__ import annotations

from typing import NamedTuple

from nhot.experiments.data import load_digits
from nhot.experiments.models.digits import digits
from nhot.experiments.training import repeatable
from nhot.formats import Format, SignedBinary, parse
from nhot.network import Network
from nhot.quant.model import QuantModel, to_network
from nhot.quant.quantize import quantize
from nhot.quant.training import accuracy, finetune, fit

__all__ = ["TrainedDigits", "train_digits"]


class TrainedDigits(NamedTuple):
    """What :func:`train_digits` gives; accuracies are on the held-out third.

    ``accuracies`` has ``float``, ``rounded`` (before fine-tuning) and ``finetuned``.
    """

    float_accuracy: float
    model: QuantModel
    network: Network
    accuracies: dict[str, float]


def train_digits(format: Format | str = "2hot", *, seed: int = 0) -> TrainedDigits:
    """Train the digits network with weights of ``format``; under a minute on one core.

    All formats but signed-binary start from the trained float network. Signed-binary is trained
    from scratch, as in its source: half of all weights would start on the wrong side of zero.
    """
    chosen = parse(format) if isinstance(format, str) else format
    data = load_digits()
    with repeatable(seed):
        scratch, start = digits(), digits()
    fit(start, data.train_x, data.train_y, epochs=20, lr=1e-2, seed=seed)
    model = quantize(start, chosen, data.train_x, input_range=data.input_range)
    test = (data.test_x, data.test_y)
    accuracies = {"float": accuracy(start, *test), "rounded": accuracy(model, *test)}
    train = (data.train_x, data.train_y)
    if isinstance(chosen, SignedBinary):
        model = quantize(scratch, chosen, data.train_x, input_range=data.input_range)
        finetune(model, *train, epochs=80, lr=6e-2, batch=128, seed=seed)
    else:
        finetune(model, *train, epochs=8, lr=2e-3, seed=seed)
    accuracies["finetuned"] = accuracy(model, *test)
    network = to_network(model, f"digits-{chosen.name}")
    return TrainedDigits(accuracies["float"], model, network, accuracies)
