"""Files of weights: the state of a float module, as torch writes it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nhot.errors import NhotError
from nhot.files import write_atomically
from nhot.filetype import expect
from nhot.training.checkpoint import DIGEST, MAGIC

__all__ = ["load_weights", "save_weights"]

KEYS = ("model", "state_dict")
"""Where checkpoints keep the weights among other things."""


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Put the weights in a file into ``model``.

    The file is what ``torch.save(model.state_dict(), path)`` writes, a checkpoint of
    :func:`nhot.training.fit`, or one that has the state under ``model`` or ``state_dict``. Nothing
    in it is run.

    Raises
    ------
    NhotError
        The file is not such a one, or of another network: the first difference is named.
    """
    state = _read(Path(path))
    expected = model.state_dict()
    where = f"Weights {str(path)!r} must be of this network:"
    for name, value in expected.items():
        if name not in state:
            raise NhotError(f"{where} they have no {name!r}")
        shape, found = tuple(value.shape), tuple(state[name].shape)
        if found != shape:
            raise NhotError(f"{where} its {name!r} has shape {shape}, not {found}")
    for name in state:
        if name not in expected:
            raise NhotError(f"{where} it has no {name!r}")
    model.load_state_dict(state)


def save_weights(model: nn.Module, path: str | Path) -> None:
    """Write the state of ``model`` for :func:`load_weights`, or for torch."""
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    write_atomically(path, buffer.getvalue())


def _read(path: Path) -> dict[str, Tensor]:
    expect(path, "weights")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NhotError(f"Weights {str(path)!r} could not be read: {error.strerror}") from None
    refusal = NhotError(f"Weights {str(path)!r} must be a whole file of torch.save that holds a "
                        "state_dict, and nothing that needs code to be run")
    if content.startswith(MAGIC):
        start = len(MAGIC) + DIGEST
        digest, content = content[len(MAGIC) : start], content[start:]
        if hashlib.sha256(content).digest() != digest:
            raise refusal
    try:
        loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # damage makes its reader stumble over anything
        raise refusal from None
    state = _state(loaded)
    if state is None:
        raise refusal
    return state


def _state(loaded: Any) -> dict[str, Tensor] | None:
    """Names and tensors, wherever in ``loaded`` they are."""
    if not isinstance(loaded, Mapping):
        return None
    if loaded and all(isinstance(value, Tensor) for value in loaded.values()):
        return dict(loaded)
    inner = [loaded[key] for key in (*KEYS, "state") if key in loaded]
    return next((found for one in inner if (found := _state(one)) is not None), None)
