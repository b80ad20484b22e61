"""What a training is set to: limits, rates, and where it runs."""

from __future__ import annotations

import importlib.util
import runpy

import pytest
import torch
from torch import nn

import nhot.experiments.training
import nhot.quant
from nhot.errors import MissingToolError, NhotError
from nhot.experiments.training import Settings, ranks
from nhot.experiments.training.environment import training_device
from nhot.experiments.training.optimizer import build_optimizer, build_schedule
from nhot.experiments.training.ranks import Ranks, join


def settings(**changes) -> Settings:
    return Settings(**{"epochs": 2, "lr": 0.05, "batch": 16, "device": "cpu", **changes})


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
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 3)
    )
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
    stepped = build_optimizer(nn.Linear(6, 3), chosen)
    rate = build_schedule(stepped, chosen, 4)
    found = []
    for _ in range(4):
        found.append(rate.get_last_lr()[0] / 2)
        stepped.step()
        rate.step()
    assert found == pytest.approx(expected, abs=1e-6)


def test_one_cycle_leaves_the_momentum_of_sgd_alone():
    chosen = settings(schedule="one-cycle", momentum=0.0)
    stepped = build_optimizer(nn.Linear(6, 3), chosen)
    build_schedule(stepped, chosen, 4)
    assert stepped.param_groups[0]["momentum"] == 0


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


def test_variables_of_torchrun_are_checked(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(NhotError, match=r"WORLD_SIZE must be a whole number, .* not 'two'"):
        join()


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
