"""Two processes, as torchrun starts them, train the model that one would."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from nhot.experiments.training import History, MeanSquares, Settings, fit, read_log
from nhot.quant import QuantModel, quantize
from nhot.quant.recipes import recipe, run_recipe

SETTINGS = Settings(epochs=3, lr=0.05, batch=9, optimizer="adam", device="cpu")


def blobs() -> tuple[np.ndarray, np.ndarray]:
    """31 samples: four batches, the last of four, and shares of five and four."""
    rng = np.random.default_rng(0)
    y = np.arange(31) % 3
    return (3 * np.eye(3, 6)[y] + rng.normal(size=(31, 6)) / 2).astype(np.float32), y


class Branches(nn.Module):
    """Has a layer that is never used, and one that only some samples reach."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.unused = (nn.Linear(6, 6) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(x) if bool((x[:, 0] > 3).any()) else self.first(x)


def train(seed: int) -> tuple[nn.Module, History]:
    """``seed`` differs between processes: the model of the first counts."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    return model, fit(model, blobs(), SETTINGS)


def train_quantized() -> QuantModel:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    quantized = quantize(model, "2hot", blobs()[0], input_range=(-8.0, 8.0))
    run_recipe(quantized, blobs(), recipe("two-stage", quantized.formats, SETTINGS))
    return quantized


def main(folder: str) -> None:
    """What each process runs."""
    rank = int(os.environ["RANK"])
    model, history = train(rank)
    branches = Branches()
    fit(branches, (blobs()[0],), SETTINGS, loss=MeanSquares(), run=f"{folder}/branches")
    torch.save({
        "model": model.state_dict(), "losses": history.losses,
        "branches": branches.state_dict(), "quantized": train_quantized().state_dict(),
    }, f"{folder}/{rank}.pt")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone",
         "--nproc-per-node", "2", __file__, str(folder)],
        capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return folder, [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def test_two_processes_train_as_one_does(results):
    model, history = train(0)
    _, found = results
    np.testing.assert_allclose(found[0]["losses"], history.losses, rtol=1e-4)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(found[0]["model"][name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("what", ["model", "branches", "quantized"])
def test_all_processes_have_the_same_model(results, what):
    first, second = (one[what] for one in results[1])
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_one_process_writes(results):
    folder, _ = results
    log = read_log(folder / "branches" / "log.jsonl")
    assert [line["event"] for line in log] == ["start", *["epoch"] * 3]
    assert log[0]["processes"] == 2


if __name__ == "__main__":
    main(sys.argv[1])
