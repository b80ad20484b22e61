"""Checkpoints and logs: a training that was stopped goes on to the same result."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
import torch
from torch import nn

from nhot.errors import NhotError
from nhot.experiments.training import CropFlip, CrossEntropy, Settings, fit, read_log
from nhot.experiments.training.checkpoint import DIGEST, MAGIC, describe, write_checkpoint
from nhot.experiments.training.loop import CHECKPOINT, LOG


def images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(40, 2, 6, 6)).astype(np.float32), np.arange(40) % 3


def small(seed: int = 0, width: int = 4) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(2, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3),
        nn.Linear(width * 16, 3),
    )


def settings(**changes) -> Settings:
    return Settings(**{"epochs": 3, "lr": 0.05, "batch": 8, "device": "cpu", **changes})


def stopping(after: int, error: type[BaseException] = KeyboardInterrupt):
    """A loss that is interrupted at its ``after``-th call."""
    calls = 0

    def loss(model, *batch):
        nonlocal calls
        calls += 1
        if calls == after:
            raise error
        return CrossEntropy()(model, *batch)

    return loss


@pytest.mark.parametrize("changes", [
    {}, {"optimizer": "adam", "lr": 0.01, "schedule": "one-cycle"},
    {"optimizer": "adamw", "weight_decay": 0.1, "precision": "bf16"},
    {"save_minutes": 1e-9},  # a checkpoint after each step
])
@pytest.mark.parametrize("after", [3, 6, 8, 14])  # five steps an epoch
def test_resuming_gives_the_same_model(tmp_path, changes, after):
    def train(model, folder, loss=None):
        return fit(
            model, images(), settings(**changes), loss=loss, augment=CropFlip(1), run=folder,
            evaluate=lambda one: float(one[5].weight.abs().sum()),
        )

    whole = small()
    expected = train(whole, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(small(), tmp_path / "stopped", stopping(after))
    found = small(5)
    if after < 6 and "save_minutes" not in changes:
        assert not (tmp_path / "stopped" / CHECKPOINT).exists()
        found = small()  # begins anew
    history = train(found, tmp_path / "stopped")
    for one, other in zip(history.epochs, expected.epochs, strict=True):
        assert (one.loss, one.metric, one.lr) == (other.loss, other.metric, other.lr)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, found.state_dict()[name]), name


def test_a_finished_training_is_loaded(tmp_path):
    first, second = small(), small(1)
    history = fit(first, images(), settings(), run=tmp_path)
    written = (tmp_path / CHECKPOINT).read_bytes()
    assert fit(second, images(), settings(), loss=stopping(1), run=tmp_path) == history
    assert torch.equal(first[5].weight, second[5].weight)
    assert (tmp_path / CHECKPOINT).read_bytes() == written
    assert not second.training


@pytest.mark.parametrize(("model", "changes", "message"), [
    (small(), {"lr": 0.1}, r"its lr is 0\.05, not 0\.1; choose another folder"),
    (small(), {"epochs": 5}, "its epochs is 3, not 5"),
    (small(width=6), {}, r"its parameter 0\.weight is float32 \(4, .*, not float32 \(6, "),
    (small()[:5], {}, r"its parameter 5\.weight is float32 \(3, 64\), not none"),
])
def test_another_training_is_refused(tmp_path, model, changes, message):
    fit(small(), images(), settings(), run=tmp_path)
    with pytest.raises(NhotError, match=message):
        fit(model, images(), settings(**changes), run=tmp_path)


def test_how_fast_it_goes_may_change(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(small(), images(), settings(), loss=stopping(7), run=tmp_path)
    fit(small(), images(), settings(threads=2, save_minutes=1), run=tmp_path)


def test_facts_are_compared(tmp_path):
    fit(small(), images(), settings(), run=tmp_path, facts={"format": "int8"})
    with pytest.raises(NhotError, match="its format is int8, not 2hot"):
        fit(small(), images(), settings(), run=tmp_path, facts={"format": "2hot"})
    x, y = images()
    with pytest.raises(NhotError, match="its samples is 40, not 39"):
        fit(small(), (x[1:], y[1:]), settings(), run=tmp_path)


def test_what_a_module_keeps_besides_tensors_is_compared_by_kind():
    class Counting(nn.Linear):
        def get_extra_state(self):
            return {"steps": 3}

        def set_extra_state(self, state):
            pass

    found = describe(Counting(2, 3), {"seed": 7})
    assert found == {"seed": "7", "parameter weight": "float32 (3, 2)",
                     "parameter bias": "float32 (3,)", "parameter _extra_state": "dict"}


@pytest.mark.parametrize("content", [{}, {"facts": 5, "state": {}}, {"facts": [1], "state": {}}, 7])
def test_a_checkpoint_of_another_make_is_named(tmp_path, content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    data = buffer.getvalue()
    (tmp_path / CHECKPOINT).write_bytes(MAGIC + hashlib.sha256(data).digest() + data)
    with pytest.raises(NhotError, match=r"must be one that nhot wrote$"):
        fit(small(), images(), settings(), run=tmp_path)


@pytest.mark.parametrize(("damage", "message"), [
    (lambda data: data[:-100], "damaged or cut short"),
    (lambda data: data[:20], "damaged or cut short"),
    (lambda data: data[:500] + bytes([data[500] ^ 1]) + data[501:], "damaged or cut short"),
    (lambda data: b"", "must be one that nhot wrote"),
    (lambda data: b"something else", "must be one that nhot wrote"),
])
def test_a_damaged_checkpoint_is_named(tmp_path, damage, message):
    fit(small(), images(), settings(), run=tmp_path)
    path = tmp_path / CHECKPOINT
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(NhotError, match=message):
        fit(small(), images(), settings(), run=tmp_path)


@pytest.mark.parametrize(("name", "value", "message"), [
    ("epoch", -1, "epoch must be 0 or more, not -1"),
    ("epoch", "1", "epoch must be a whole number, not '1'"),
    ("step", 1.5, "step must be a whole number, not 1.5"),
    ("rate", float("inf"), "rate must be a finite number, not inf"),
    ("seen", 10**400, "whole numbers of at most 64 bits"),
    ("history", [{"epoch": 1}], "must be one that nhot wrote"),
    ("history", None, "must be one that nhot wrote"),
    ("optimizer", {"state": 5}, "must be one that nhot wrote"),
    ("schedule", [], "must be one that nhot wrote"),
    ("model", {}, "must be one that nhot wrote"),
    ("order", torch.zeros(3), "must be one that nhot wrote"),
])
def test_a_forged_checkpoint_is_named(tmp_path, name, value, message):
    fit(small(), images(), settings(), run=tmp_path)
    path = tmp_path / CHECKPOINT
    data = path.read_bytes()
    content = torch.load(io.BytesIO(data[len(MAGIC) + DIGEST :]), weights_only=True)
    write_checkpoint(path, {**content["state"], name: value}, content["facts"])
    with pytest.raises(NhotError, match=message) as caught:
        fit(small(), images(), settings(), run=tmp_path)
    assert str(caught.value).startswith(f"Checkpoint {str(path)!r}")


def test_a_run_must_be_a_folder(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(NhotError, match="could not be made"):
        fit(small(), images(), settings(), run=tmp_path / "file")
    (tmp_path / "run" / CHECKPOINT).mkdir(parents=True)
    with pytest.raises(NhotError, match="could not be read"):
        fit(small(), images(), settings(), run=tmp_path / "run")


def test_the_log_goes_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(small(), images(), settings(), loss=stopping(7), run=tmp_path)
    with (tmp_path / LOG).open("a") as file:
        file.write("5\n" + "[" * 100_000 + "\n")
        file.write('{"event": "epo')  # cut short by a crash
    fit(small(), images(), settings(), run=tmp_path)
    events = [(line["event"], line["epoch"]) for line in read_log(tmp_path / LOG)]
    assert events == [("start", 0), ("epoch", 1), ("resume", 1), ("epoch", 2), ("epoch", 3)]
