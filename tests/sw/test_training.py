"""Losses, and the loop itself: what it learns, calls, refuses and writes down."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from nhot.errors import NhotError
from nhot.experiments.training import (
    CropFlip,
    CrossEntropy,
    Distillation,
    MeanSquares,
    Settings,
    accuracy,
    fit,
    mean_loss,
)
from nhot.experiments.training.log import RunLog


def blobs(count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Three clouds of points, easy to tell apart."""
    rng = np.random.default_rng(0)
    y = np.arange(count) % 3
    return (3 * np.eye(3, 6)[y] + rng.normal(size=(count, 6)) / 2).astype(np.float32), y


def images(count: int = 24) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(count, 2, 6, 6)).astype(np.float32), np.arange(count) % 3


def dense(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 3))


def convolution(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(4, 3),
    )


def settings(**changes) -> Settings:
    return Settings(**{"epochs": 2, "lr": 0.05, "batch": 16, "device": "cpu", **changes})


@torch.no_grad()
def test_distillation_mixes_labels_and_teacher():
    x, y = (torch.from_numpy(one) for one in blobs())
    model, teacher = dense(0).eval(), dense(1).eval()
    hard = CrossEntropy()(model, x, y)
    assert torch.equal(Distillation(teacher, weight=0.0)(model, x, y), hard)
    own = Distillation(model, weight=1.0)(model, x, y)
    assert float(own) == pytest.approx(0, abs=1e-6)
    assert float(Distillation(teacher, weight=1.0)(model, x, y)) > 0.01
    with pytest.raises(NhotError, match=r"Teacher must give \(60, 3\)"):
        Distillation(nn.Linear(6, 2))(model, x, y)
    for options, message in (
        ({"weight": 1.5}, r"Weight of the teacher must be 0 to 1, not 1\.5"),
        ({"weight": float("nan")}, "Weight of the teacher must be 0 to 1, not nan"),
        ({"temperature": 0}, "Temperature must be above 0, not 0"),
    ):
        with pytest.raises(NhotError, match=message):
            Distillation(teacher, **options)
    with pytest.raises(NhotError, match=r"A batch must be \(samples, labels\), not 3 tensors"):
        CrossEntropy()(model, x, y, y)


@pytest.mark.parametrize(("labels", "message"), [
    (torch.full((60,), 3), "Labels must be 0 to 2, as the model has classes, not 3 to 3"),
    (torch.zeros(60), "Labels must be one integer a sample"),
])
def test_labels_are_checked(labels, message):
    with pytest.raises(NhotError, match=message):
        fit(dense(), (blobs()[0], labels), settings())


@pytest.mark.parametrize("changes", [
    {}, {"optimizer": "adam"}, {"optimizer": "adamw", "weight_decay": 0.1},
    {"schedule": "one-cycle"}, {"schedule": "constant"}, {"precision": "bf16"},
    {"label_smoothing": 0.1}, {"warmup": 0.2}, {"channels_last": False}, {"threads": None},
])
def test_training_learns(changes):
    model = dense()
    history = fit(
        model, blobs(), settings(epochs=8, **changes), evaluate=lambda one: accuracy(one, blobs())
    )
    assert history.metric == accuracy(model, blobs()) > 0.95
    assert history.losses[-1] < history.losses[0]
    assert [one.epoch for one in history.epochs] == list(range(1, 9))
    assert not model.training


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_memory_order_is_given_back_and_hardly_matters(precision):
    losses = []
    for channels_last in (False, True):
        model = convolution()
        chosen = settings(channels_last=channels_last, precision=precision)
        losses.append(fit(model, images(), chosen, augment=CropFlip(1)).losses)
        assert model[0].weight.is_contiguous()
        assert model[0].weight.dtype == torch.float32
    np.testing.assert_allclose(*losses, rtol=0.02 if precision == "bf16" else 1e-4)


def test_an_autoencoder_is_trained_with_another_loss():
    x, _ = blobs()
    model = nn.Sequential(nn.Linear(6, 3), nn.Linear(3, 6))
    before = mean_loss(model, (x,), MeanSquares())
    fit(model, (x,), settings(epochs=10), loss=MeanSquares())
    assert mean_loss(model, (x,), MeanSquares()) < before / 2
    with pytest.raises(NhotError, match="Output of the model must have its target's shape"):
        fit(nn.Linear(6, 2), (x,), settings(), loss=MeanSquares())


def test_a_loss_may_use_several_tensors():
    def weighted(model, x, y, weight):
        return (nn.functional.cross_entropy(model(x), y, reduction="none") * weight).mean()

    x, y = blobs()
    weight = (y != 2).astype(np.float32)
    model = dense()
    fit(model, (x, y, weight), settings(epochs=8), loss=weighted)
    assert accuracy(model, (x, y)) < 0.9
    assert accuracy(model, (x[y != 2], y[y != 2])) > 0.95


def test_a_frozen_model_is_refused():
    with pytest.raises(NhotError, match="must have parameters that are not frozen"):
        fit(dense().requires_grad_(False), blobs(), settings())


@pytest.mark.parametrize("loss", [lambda model, *_: 1.0, lambda model, x, _: model(x)])
def test_a_loss_must_be_one_number(loss):
    with pytest.raises(NhotError, match="Loss must be a tensor of one number"):
        fit(dense(), blobs(), settings(), loss=loss)


def test_the_same_seed_gives_the_same_model():
    results = []
    for noise in range(2):
        model = dense(7)
        torch.manual_seed(noise)
        state, threads = torch.random.get_rng_state(), torch.get_num_threads()
        fit(model, blobs(), settings(seed=3))
        assert torch.equal(torch.random.get_rng_state(), state)
        assert torch.get_num_threads() == threads
        results.append(model.state_dict())
    assert all(torch.equal(value, results[1][name]) for name, value in results[0].items())


def test_hooks_are_called():
    parts, evaluated = [], []

    def freeze(model, part):
        parts.append(part)
        model[1].eval()  # frozen statistics

    model = convolution()
    history = fit(
        model, images(), settings(epochs=4, evaluate_every=3), on_epoch=freeze,
        evaluate=lambda one: evaluated.append(one.training) or 7,
    )
    assert parts == [0, 0.25, 0.5, 0.75]
    assert evaluated == [False, False]
    assert history.epochs[-1].lr == pytest.approx(0.05 * (1 + np.cos(np.pi * 7 / 8)) / 2)
    assert [one.metric for one in history.epochs] == [None, None, 7, 7]
    assert torch.equal(model[1].running_mean, torch.zeros(4))


def test_divergence_is_named():
    with pytest.raises(NhotError, match=r"must not diverge; the rate 1e\+38 .* in epoch 1"):
        fit(dense(), blobs(), settings(epochs=5, lr=1e38, batch=8))


def test_view_on_images_is_named():
    class Viewing(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(2, 4, 3)
            self.last = nn.Linear(64, 3)

        def forward(self, x):
            return self.last(self.first(x).view(len(x), -1))

    with pytest.raises(NhotError, match="must use reshape or flatten rather than view"):
        fit(Viewing(), images(), settings())
    fit(Viewing(), images(), settings(channels_last=False))


def test_other_errors_of_a_model_are_its_own():
    def loss(model, *batch):
        raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match=r"^no luck$"):
        fit(dense(), blobs(), settings(), loss=loss)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(NhotError, match="Device must be auto or cpu where torch finds no GPU"):
        fit(dense(), blobs(), settings(device="cuda"))


def test_a_model_may_refuse_bf16():
    model = dense()
    model.full_precision = True
    with pytest.raises(NhotError, match="Precision of a quantised model must be fp32"):
        fit(model, blobs(), settings(precision="bf16"))


def test_log_facts_are_json(tmp_path):
    fit(dense(), blobs(), settings(), run=tmp_path)
    text = (tmp_path / "log.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["event"] for line in lines] == ["start", "epoch", "epoch"]
    assert lines[0]["settings"]["lr"] == 0.05
    assert lines[0]["versions"]["torch"] == torch.__version__
    assert lines[2]["epoch"] == 2


def test_a_log_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(NhotError, match=f"^Log '{tmp_path}' could not be written: Is a directory"):
        RunLog(tmp_path).write("epoch", loss=1)
