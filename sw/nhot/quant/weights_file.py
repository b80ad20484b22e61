"""Files of weights: the state of a float module, as torch writes it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from nhot.errors import NhotError
from nhot.experiments.training.checkpoint import unsealed
from nhot.experiments.training.torch_file import load
from nhot.files import write_atomically
from nhot.filetype import expect
from nhot.quant.state_dicts import State, candidates, fitted

__all__ = ["load_weights", "save_weights"]

SHOWN = 60
"""Characters of a name in an error."""

MOST = 8
"""Names in an error."""


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Put the weights in a file into ``model``.

    The file is what ``torch.save(model.state_dict(), path)`` or safetensors writes, a checkpoint
    of :func:`nhot.experiments.training.fit`, or one of another training: the state may be under any
    key, if only one fits the network, and names may have the prefixes of DataParallel, averaged
    models, ``torch.compile`` and Lightning. Weights kept as direction and length (``weight_norm``)
    or with a mask (pruning) are put together. Nothing in the file is run.

    Raises
    ------
    NhotError
        The file is not such a one, has several states that fit, or one of another network: the
        first difference is named. The model is then as it was.
    """
    what = f"Weights {str(path)!r}"
    expected = model.state_dict()
    loaded = _read(Path(path), what)
    found = [(key, fitted(state, expected)) for key, state in candidates(loaded)]
    if not found:
        raise NhotError(f"{what} must hold a state_dict, names and a tensor for each, not "
                        f"{_summary(loaded)}")
    faults = [_difference(state, expected) for _, state in found]
    fitting = [one for one, fault in zip(found, faults, strict=True) if fault is None]
    if len(fitting) > 1:
        raise NhotError(f"{what} must hold one state_dict of this network, not several "
                        f"({_keys(fitting)}); save the one that is meant by itself")
    if not fitting:
        near = max(range(len(found)), key=lambda one: len(found[one][1].keys() & expected.keys()))
        place = f", {_shown(found[near][0])} of {_keys(found)}," if len(found) > 1 else ""
        raise NhotError(f"{what} must be of this network:{place} {faults[near]}")
    ((_, state),) = fitting
    model.load_state_dict({**expected, **state})


def save_weights(model: nn.Module, path: str | Path) -> None:
    """Write the state of ``model`` for :func:`load_weights`, or for torch."""
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    write_atomically(path, buffer.getvalue())


def _read(path: Path, what: str) -> Any:
    expect(path, "weights")
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise NhotError(f"{what} could not be read: {reason}") from None
    return load(unsealed(content, what), what)


def _difference(state: State, expected: Mapping[str, Any]) -> str | None:
    """What keeps ``state`` from being one of the network of ``expected``: None if nothing does."""
    for name, value in expected.items():
        if not isinstance(value, Tensor):  # what a module keeps beside its tensors
            continue
        if name not in state:
            return f"they have no {_shown(name)}"
        fault = _fault(state[name], value)
        if fault is not None:
            return f"its {_shown(name)} {fault}"
    return next((f"it has no {_shown(name)}" for name in state if name not in expected), None)


def _fault(found: Tensor, wanted: Tensor) -> str | None:
    """Why ``found`` cannot take the place of ``wanted``."""
    kind = str(found.dtype).removeprefix("torch.")
    if found.is_nested or found.layout != torch.strided:
        layout = "nested" if found.is_nested else str(found.layout).removeprefix("torch.")
        return f"must be a dense tensor, not {layout}"
    if found.is_meta:
        return "must have values, not be on the device meta"
    if found.is_quantized or wanted.is_floating_point() != found.is_floating_point():
        return f"must be numbers as {str(wanted.dtype).removeprefix('torch.')}, not {kind}"
    if not is_lazy(wanted) and found.shape != wanted.shape:
        return f"has shape {tuple(wanted.shape)}, not {tuple(found.shape)}"
    if not found.to(wanted.dtype).isfinite().all():
        return "must be finite numbers, not NaN or infinite"
    return None


def _summary(loaded: Any) -> str:
    if isinstance(loaded, Mapping) and loaded:
        return "what is under " + ", ".join(_shown(str(key)) for key in [*loaded][:MOST])
    return f"{'an empty' if loaded == {} else 'a'} {type(loaded).__name__}"


def _keys(found: Sequence[tuple[str, State]]) -> str:
    return ", ".join(_shown(key) for key, _ in found[:MOST])


def _shown(text: str) -> str:
    """A key or name of a file, short, and without what a terminal would obey."""
    return repr(text if len(text) < SHOWN else f"{text[:SHOWN]}...") if text else "the outermost"
