"""Checkpoints: all that a training needs to go on as if it had never stopped."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nhot.errors import NhotError
from nhot.experiments.training.torch_file import load
from nhot.files import write_atomically

__all__ = ["describe", "read_checkpoint", "unsealed", "write_checkpoint"]

MAGIC = b"nhot checkpoint 1\n"
DIGEST = hashlib.sha256().digest_size
Facts = dict[str, str]


def describe(model: nn.Module, facts: Mapping[str, object]) -> Facts:
    """What a checkpoint must agree in with the training that it is for.

    ``facts`` by name, and type and shape of every parameter and buffer of ``model``.
    """
    found = {name: str(value) for name, value in facts.items()}
    for name, value in model.state_dict().items():
        kind = type(value).__name__
        if isinstance(value, Tensor):
            kind = f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
        found[f"parameter {name}"] = kind
    return found


def write_checkpoint(path: Path, state: Mapping[str, Any], facts: Facts) -> None:
    """Write ``state``, of tensors, numbers, text, lists and dictionaries, with its ``facts``."""
    buffer = io.BytesIO()
    torch.save({"facts": facts, "state": dict(state)}, buffer)
    data = buffer.getvalue()
    write_atomically(path, MAGIC + hashlib.sha256(data).digest() + data)


def read_checkpoint(path: Path, facts: Facts) -> dict[str, Any] | None:
    """The state in a checkpoint, on the processor; None if there is no such file.

    Raises
    ------
    NhotError
        The file is damaged, or of another training than ``facts`` say: what differs is named.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NhotError(f"Checkpoint {str(path)!r} could not be read: {error.strerror}") from None
    what = f"Checkpoint {str(path)!r}"
    if not content.startswith(MAGIC):
        raise NhotError(f"{what} must be one that nhot wrote")
    loaded = load(unsealed(content, what), what)
    try:
        found, state = dict(loaded["facts"]), dict(loaded["state"])
    except (KeyError, TypeError, ValueError):
        raise NhotError(f"{what} must be one that nhot wrote") from None
    _check(path, found, facts)
    return state


def unsealed(content: bytes, what: str) -> bytes:
    """What torch wrote: ``content`` without the digest before it, if it has one.

    Raises
    ------
    NhotError
        The digest is of something else; ``what`` is the name of the file.
    """
    if not content.startswith(MAGIC):
        return content
    start = len(MAGIC) + DIGEST
    digest, data = content[len(MAGIC) : start], content[start:]
    if hashlib.sha256(data).digest() != digest:
        raise NhotError(f"{what} must be whole; it is damaged or cut short")
    return data


def _check(path: Path, found: Facts, facts: Facts) -> None:
    for name in [*facts, *found]:
        was, now = found.get(name, "none"), facts.get(name, "none")
        if was != now:
            raise NhotError(f"Checkpoint {str(path)!r} must be of this training: its {name} is "
                            f"{was}, not {now}; choose another folder to begin anew")
