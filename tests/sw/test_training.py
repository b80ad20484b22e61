"""Settings, batches, augmentation, losses and the loop itself."""

from __future__ import annotations

import importlib.util
import json
import runpy

import numpy as np
import pytest
import torch
from torch import nn

import nhot.experiments.training
import nhot.quant
from nhot.errors import MissingToolError, NhotError
from nhot.experiments.training import (
    Batches,
    CropFlip,
    CrossEntropy,
    Distillation,
    MeanSquares,
    Settings,
    accuracy,
    fit,
    mean_loss,
    ranks,
)
from nhot.experiments.training.batches import as_data, collate
from nhot.experiments.training.environment import training_device
from nhot.experiments.training.log import RunLog
from nhot.experiments.training.optimizer import build_optimizer, build_schedule
from nhot.experiments.training.ranks import Ranks, join


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


class Points:
    """A data set that gives one sample at a time."""

    def __len__(self):
        return 60

    def __getitem__(self, index):
        x, y = blobs()
        return x[index], y[index]


@pytest.mark.parametrize(("changes", "message"), [
    ({"epochs": 0}, "Epochs must be 1 to 2147483647, not 0"),
    ({"epochs": 1.5}, r"Epochs must be a whole number, not 1\.5"),
    ({"lr": 0.0}, r"Lr must be above 0 and at most 1e38, not 0\.0"),
    ({"lr": float("nan")}, "Lr must be above 0 and at most 1e38, not nan"),
    ({"lr": 1e308}, r"Lr must be above 0 and at most 1e38, not 1e\+308"),
    ({"save_minutes": 0.0}, r"Save_minutes must be a positive number, not 0\.0"),
    ({"batch": 1}, "Batch must be 2 to 2147483647, not 1"),
    ({"batch": 10**30}, f"Batch must be 2 to 2147483647, not {10**30}"),
    ({"optimizer": "lion"}, "Optimizer must be one of sgd, adam, adamw, not 'lion'"),
    ({"schedule": "step"}, "Schedule must be one of one-cycle, cosine, constant, not 'step'"),
    ({"precision": "fp16"}, "Precision must be one of fp32, bf16, not 'fp16'"),
    ({"device": "tpu"}, "Device must be one of auto, cpu, cuda, not 'tpu'"),
    ({"momentum": 1.0}, r"Momentum must be 0 or more and below 1, not 1\.0"),
    ({"warmup": -0.1}, r"Warmup must be 0 or more and below 1, not -0\.1"),
    ({"threads": 0}, "Threads must be 1 to 1024, not 0"),
    ({"workers": 1025}, "Workers must be 0 to 1024, not 1025"),
    ({"seed": -1}, "Seed must be 0 to 18446744073709551615, not -1"),
    ({"seed": 2**64}, f"Seed must be 0 to 18446744073709551615, not {2**64}"),
])
def test_bad_settings_are_refused(changes, message):
    with pytest.raises(NhotError, match=message):
        settings(**changes)


def test_weights_decay_and_nothing_else():
    model = convolution()
    decaying, rest = build_optimizer(model, settings(weight_decay=0.1)).param_groups
    assert [tuple(one.shape) for one in decaying["params"]] == [(4, 2, 3, 3), (3, 4)]
    assert [tuple(one.shape) for one in rest["params"]] == [(4,), (4,), (3,)]
    assert (decaying["weight_decay"], rest["weight_decay"]) == (0.1, 0)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize(("schedule", "warmup", "expected"), [
    ("constant", None, [1, 1, 1, 1]),
    ("constant", 0.5, [1 / 3, 2 / 3, 1, 1]),
    ("cosine", None, [1, 0.853553, 0.5, 0.146447]),
    ("cosine", 0.25, [0.5, 1, 0.75, 0.25]),
])
def test_rates(optimizer, schedule, warmup, expected):
    chosen = settings(optimizer=optimizer, schedule=schedule, warmup=warmup, lr=2.0)
    stepped = build_optimizer(dense(), chosen)
    rate = build_schedule(stepped, chosen, 4)
    found = []
    for _ in range(4):
        found.append(rate.get_last_lr()[0] / 2)
        stepped.step()
        rate.step()
    assert found == pytest.approx(expected, abs=1e-6)


def test_one_cycle_leaves_the_momentum_of_sgd_alone():
    chosen = settings(schedule="one-cycle", momentum=0.0)
    stepped = build_optimizer(dense(), chosen)
    build_schedule(stepped, chosen, 4)
    assert stepped.param_groups[0]["momentum"] == 0


@pytest.mark.parametrize("size", [1, 2, 3])
def test_processes_share_a_batch(size):
    data = (np.arange(50),)
    alone = list(Batches(data, 12).epoch(torch.Generator().manual_seed(3)))
    assert [count for count, _ in alone] == [12, 12, 12, 12, 2]
    shares = [
        list(Batches(data, 12, Ranks(rank, size)).epoch(torch.Generator().manual_seed(3)))
        for rank in range(size)
    ]
    for step, parts in enumerate(zip(*shares, strict=True)):
        together = sorted(value for _, (part,) in parts for value in part.tolist())
        assert together == sorted(alone[step][1][0].tolist())
    # Two samples are too few for two processes.
    assert len(shares[0]) == (5 if size == 1 else 4)


def test_an_epoch_goes_on_where_it_was():
    batches = Batches((np.arange(50),), 12)
    whole = list(batches.epoch(torch.Generator().manual_seed(3)))
    rest = list(batches.epoch(torch.Generator().manual_seed(3), start=3))
    assert [batch[0].tolist() for _, batch in rest] == [batch[0].tolist() for _, batch in whole[3:]]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_data_set_gives_the_same_as_arrays(workers):
    state = torch.random.get_rng_state()
    pairs = zip(
        Batches(blobs(), 16).epoch(torch.Generator()),
        Batches(Points(), 16, workers=workers).epoch(torch.Generator()), strict=True,
    )
    for (_, one), (_, other) in pairs:
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_data_are_one_array_several_or_a_data_set():
    x, y = blobs()
    data = as_data((x, y))
    assert as_data(data) is data
    sample, label = data[4]
    assert (sample.tolist(), int(label)) == (x[4].tolist(), y[4])
    for one in (x, torch.from_numpy(x)):
        assert torch.equal(as_data(one).tensors[0], data.tensors[0])
    with pytest.raises(NhotError, match=r"^Data must have at least one sample$"):
        as_data({})


@pytest.mark.parametrize(("data", "message"), [
    ((np.zeros(3), np.zeros(4)), r"same number of samples, not \(3,\), \(4,\)"),
    ((), "at least one array"),
    (7, "tuple of arrays, or have __len__ and __getitem__, not int"),
    (([[1.0], [1.0, 2.0]],), "arrays of numbers, each of one type and shape"),
    ((np.array(["a", "b"]),), "arrays of numbers"),
    ((np.array([1.0, np.nan]),), "Data must be finite numbers"),
    ((np.zeros((1, 2)),), "Batches must have at least 2 samples, not 1"),
])
def test_bad_data_are_refused(data, message):
    with pytest.raises(NhotError, match=message):
        Batches(data, 8)


def test_samples_of_different_shapes_are_refused():
    with pytest.raises(NhotError, match=r"must have one shape, not \[\(2,\), \(3,\)\]"):
        collate([(np.zeros(2),), (np.zeros(3),)])
    with pytest.raises(NhotError, match="must all have as many arrays as the first"):
        collate([(np.zeros(2), 1), np.zeros(2)])


def test_crops_and_flips_are_windows_of_the_padded_image():
    x = torch.arange(1, 2 * 3 * 4 * 5 + 1).reshape(2, 3, 4, 5).float().repeat(40, 1, 1, 1)
    labels = torch.arange(80)
    out, kept = CropFlip(2)((x, labels), torch.Generator().manual_seed(0))
    assert out.shape == x.shape
    assert torch.equal(kept, labels)
    padded = nn.functional.pad(x, [2] * 4)
    seen = set()
    for image, wide in zip(out, padded, strict=True):
        found = [
            (top, left, flip) for top in range(5) for left in range(5) for flip in (False, True)
            if torch.equal(
                image.flip(2) if flip else image, wide[:, top : top + 4, left : left + 5]
            )
        ]
        assert len(found) == 1
        seen.add(found[0])
    assert len(seen) > 30
    again, _ = CropFlip(2)((x, labels), torch.Generator().manual_seed(0))
    assert torch.equal(out, again)


def test_no_augmentation_changes_nothing():
    x = torch.rand(3, 1, 4, 4)
    assert torch.equal(CropFlip(0, flip=False)((x,), torch.Generator())[0], x)


def test_augmentation_needs_images():
    with pytest.raises(NhotError, match=r"Images must have shape .* not \(3, 4\)"):
        CropFlip()((torch.zeros(3, 4),), torch.Generator())
    with pytest.raises(NhotError, match=r"^Padding must be at least 0, not -1$"):
        CropFlip(-1)


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


def test_arrays_that_cannot_be_written_are_copied():
    x, y = blobs()
    x.flags.writeable = False
    assert len(Batches((x[::-1], y), 8).data) == 60


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


def test_each_process_has_its_own_gpu(monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    for device in ("auto", "cuda"):
        found = training_device(settings(device=device), Ranks(rank=5, size=8, local=1))
        assert found == torch.device("cuda", 1)
    assert chosen == [torch.device("cuda", 1)] * 2
    assert training_device(settings(device="cpu"), Ranks()) == torch.device("cpu")
    with pytest.raises(NhotError, match="at most one for each of its 2 GPUs, not 3 or more"):
        training_device(settings(device="auto"), Ranks(rank=2, size=3, local=2))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(NhotError, match="Device must be auto or cpu where torch finds no GPU"):
        fit(dense(), blobs(), settings(device="cuda"))


def test_a_model_may_refuse_bf16():
    model = dense()
    model.full_precision = True
    with pytest.raises(NhotError, match="Precision of a quantised model must be fp32"):
        fit(model, blobs(), settings(precision="bf16"))


def test_variables_of_torchrun_are_checked(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(NhotError, match=r"WORLD_SIZE must be a whole number, .* not 'two'"):
        join()


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


def test_a_process_that_was_never_joined_leaves_quietly(monkeypatch):
    left = []
    monkeypatch.setattr(ranks.distributed, "destroy_process_group", lambda: left.append(True))
    for joined in (False, True):
        monkeypatch.setattr(ranks.distributed, "is_initialized", lambda joined=joined: joined)
        ranks._leave()
        assert bool(left) == joined


def test_without_torch_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for package in (nhot.experiments.training, nhot.quant):
        with pytest.raises(MissingToolError, match=r"run: pip install 'nhot\[quant\]'"):
            runpy.run_path(package.__file__)
