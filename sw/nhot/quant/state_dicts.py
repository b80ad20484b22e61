"""Finding the state of a network in what a checkpoint holds.

Trainings wrap it: in a dictionary beside an optimizer's state, and each name in the names of what
the network was trained in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

__all__ = ["State", "candidates", "fitted"]

State = dict[str, Tensor]

DEPTH = 3
"""Of dictionaries in each other."""

WRAPPERS = ("module", "_orig_mod")
"""Parts of names that DataParallel, averaged models and torch.compile put in, anywhere."""

PREFIXES = tuple(f"{name}." for name in (*WRAPPERS, "model"))
"""Of all names; a LightningModule has its network under ``model``."""

AVERAGED = "n_averaged"
"""A counter that averaged models have beside their network."""

COUNTER = "num_batches_tracked"
"""Of a batch normalisation: nothing depends on it, and early versions of torch had none."""


def candidates(
    loaded: Any, path: str = "", above: tuple[object, ...] = ()
) -> Iterator[tuple[str, State]]:
    """Every dictionary with tensors in ``loaded``: its keys from the outside, and the tensors."""
    if not isinstance(loaded, Mapping) or len(above) > DEPTH:
        return
    if any(loaded is one for one in above):  # in itself
        return
    named = {key: value for key, value in loaded.items() if isinstance(key, str)}
    state = {key: value for key, value in named.items() if isinstance(value, Tensor)}
    if state:
        yield path, state
    for key, value in named.items():
        yield from candidates(value, f"{path}.{key}" if path else key, (*above, loaded))


def fitted(state: State, expected: Mapping[str, Any]) -> State:
    """``state`` with the names that the network of ``expected`` has, as far as that goes.

    Prefixes of wrappers are taken off, weights that torch keeps as direction and length, or with
    a mask, are put together, and counters of batches that only one of the two has follow the
    network's. Names that it has itself stay.
    """
    tried = [_folded(one, expected) for one in _unwrapped(state)]
    best = max(tried, key=lambda one: len(one.keys() & expected.keys()))
    for name, value in expected.items():
        if name.rpartition(".")[2] == COUNTER:
            best.setdefault(name, value)
    return best


def _unwrapped(state: State) -> Iterator[State]:
    """``state`` without wrappers: one after the other from the outside, then all that are left."""
    yield state
    state = {name: value for name, value in state.items() if name != AVERAGED}
    while state and (prefix := next(iter(state)).partition(".")[0] + ".") in PREFIXES:
        if not all(name.startswith(prefix) for name in state):
            break
        state = _renamed(state, lambda name: name.partition(".")[2])
        yield state
    yield _renamed(
        state, lambda name: ".".join(part for part in name.split(".") if part not in WRAPPERS)
    )


def _renamed(state: State, rename: Callable[[str], str]) -> State:
    """All names changed, or none if two would become one."""
    renamed = {rename(name): value for name, value in state.items()}
    return renamed if len(renamed) == len(state) else dict(state)


def _folded(state: State, expected: Mapping[str, Any]) -> State:
    """A copy with weights in place of what they are computed from, if the network has them so."""
    state = dict(state)
    for name in [name for name in expected if name not in state]:
        for parts, compute in _FOLDS:
            names = [_beside(name, part) for part in parts]
            if all(part in state for part in names):
                with suppress(RuntimeError):  # of other shapes: their names stay, to be refused
                    state[name] = compute(*(state[part] for part in names))
                    state = {key: value for key, value in state.items() if key not in names}
                break
    return state


def _beside(name: str, part: str) -> str:
    """``name`` of a weight with ``part`` for its last word: * stands for that word."""
    owner, dot, word = name.rpartition(".")
    return owner + dot + part.replace("*", word)


def _directed(length: Tensor, direction: Tensor) -> Tensor:
    """Weight normalisation: ``direction`` with the norm ``length``, that of each index of an axis.

    The axis is the one along which ``length`` has values; with one value it is of the whole.
    """
    axis = next((axis for axis, size in enumerate(length.shape) if size != 1), -1)
    return direction * (length / torch.norm_except_dim(direction, 2, axis))


_FOLDS: list[tuple[tuple[str, ...], Callable[..., Tensor]]] = [
    (("*_g", "*_v"), _directed),
    (("parametrizations.*.original0", "parametrizations.*.original1"), _directed),
    (("*_orig", "*_mask"), torch.mul),
]
"""By the last part of the names: weight normalisation, old and new, and pruning."""
