"""Handwritten digits in n-hot without training on: what each step of post-training brings.

    python examples/post_training.py

Trains the float network, then quantises it with 256 samples and no labels, over three seeds.
Accuracy is that of the integers on the held-out third of the digits, and so is the divergence of
the class probabilities from the float model's (KL, in thousandths of a nat).
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn

from nhot.experiments.data import Dataset, load_digits
from nhot.experiments.models.digits import digits
from nhot.quant import (
    QuantModel,
    accuracy,
    adapt_rounding,
    choose_formats,
    correct_bias,
    fit,
    fit_ranges,
    quantize,
)

SAMPLES = 256
STEPS = ("rounded", "ranges", "corrected", "adapted", "adapted and corrected")
Score = tuple[float, float]


def post_training(
    model: nn.Module, data: Dataset, format: str, bits: int, steps: int
) -> Iterator[Score]:
    """The scores of :data:`STEPS`."""
    samples = data.train_x[:SAMPLES]
    quantized = quantize(model, format, samples, bits=bits)
    yield score(quantized, model, data)
    fit_ranges(quantized, samples)
    yield score(quantized, model, data)
    correct_bias(quantized, model, samples)
    yield score(quantized, model, data)

    quantized = quantize(model, format, samples, bits=bits)
    fit_ranges(quantized, samples)
    adapt_rounding(quantized, model, samples, steps=steps)
    fit_ranges(quantized, samples)
    yield score(quantized, model, data)
    correct_bias(quantized, model, samples)
    yield score(quantized, model, data)


def mixed(model: nn.Module, data: Dataset, budgets: Sequence[str]) -> Iterator[Score]:
    """The scores of a format for each layer, within each budget."""
    samples = data.train_x[:SAMPLES]
    for budget in budgets:
        choice = choose_formats(model, samples, budget=budget)
        yield score(quantize(model, "2hot", samples, formats=choice.formats), model, data)


def score(quantized: QuantModel, model: nn.Module, data: Dataset) -> Score:
    """Accuracy, and divergence from the float model."""
    x = torch.from_numpy(data.test_x)
    with torch.no_grad():
        p, q = model(x).log_softmax(1), quantized(x).log_softmax(1)
    return accuracy(quantized, data.test_x, data.test_y), float((p.exp() * (p - q)).sum(1).mean())


def main(
    seeds: Sequence[int] = (0, 1, 2), *, epochs: int = 12, steps: int = 1000,
    formats: Sequence[str] = ("1hot", "2hot", "2hot@6", "ternary"), bits: Sequence[int] = (8, 4),
    percents: Sequence[int] = (50, 60, 70, 80, 90, 100),
) -> None:
    """Print the tables."""
    data = load_digits()
    models = []
    for seed in seeds:
        torch.manual_seed(seed)
        models.append(digits())
        fit(models[-1], data.train_x, data.train_y, epochs=epochs, lr=1e-2, seed=seed)
    print(f"float {np.mean([accuracy(m, data.test_x, data.test_y) for m in models]):.2%}\n")
    header("format", "bits", *STEPS)
    for format in formats:
        for count in bits:
            row((format, count), [list(post_training(m, data, format, count, steps))
                                  for m in models])
    print()
    budgets = [f"terms={percent}%" for percent in percents]
    header("mixed", *budgets)
    row(("1, 2 and 3-hot",), [list(mixed(m, data, budgets)) for m in models])


def header(*names: str) -> None:
    """The first two lines of a table."""
    print("|", " | ".join(names), "|")
    print("|", " | ".join(["---"] + ["---:"] * (len(names) - 1)), "|")


def row(names: Sequence[object], scores: list[list[Score]]) -> None:
    """A line of a table: the mean over the models."""
    means = np.mean(scores, axis=0)
    cells = [f"{100 * share:.1f} % ({1000 * nats:.1f})" for share, nats in means]
    print("|", " | ".join([str(name) for name in names] + cells), "|", flush=True)


if __name__ == "__main__":
    main()
