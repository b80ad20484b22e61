"""Folders that commands work in, torch's random numbers, the desk of a page's server."""

import numpy as np
import pytest


@pytest.fixture
def here(tmp_path, monkeypatch, halves_data):
    """A folder to work in, with a small model, and pictures in two splits."""
    from nhot.testing.small_model import MODEL

    x, y = halves_data
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(MODEL, encoding="utf-8")
    np.savez("data.npz", x=x.astype(np.float32), y=y)
    np.savez("test.npz", x=x[::2].astype(np.float32), y=y[::2])
    return tmp_path


@pytest.fixture
def desk():
    """Where the boards of `nhot.testing.served` are opened: without faults, and none opened yet."""
    from nhot.testing.served import FakeDesk

    FakeDesk.fault = FakeDesk.gate = None
    FakeDesk.opened = FakeDesk.closed = 0
    return FakeDesk


@pytest.fixture
def seeded(request):
    """Torch's random numbers from the file's ``SEED`` on, 0 where it has none."""
    import torch

    torch.manual_seed(getattr(request.module, "SEED", 0))
