"""Which steps of a trace write in place, and what of earlier steps they change."""

from __future__ import annotations

from typing import Any

from torch import Tensor, fx

from nhot.errors import NhotError

__all__ = ["Aliases"]


class Aliases:
    """The tensors that steps gave, watched for writes of later steps.

    A tensor and its views share memory and a counter of writes. When the counter moves, or the
    shape does, the step that was just computed has written; every tensor on that memory now holds
    what the step gave, if the step gave the whole of it, or else something that no step stands for.

    Attributes
    ----------
    live : dict
        What every step gave, as later steps have left it.
    """

    def __init__(self) -> None:
        self.live: dict[fx.Node, Any] = {}
        self._seen: dict[fx.Node, list[tuple[int, tuple[int, ...]]]] = {}
        self._writers: dict[fx.Node, tuple[fx.Node, bool]] = {}

    def add(self, node: fx.Node, value: Any) -> None:
        """Note what ``node`` has just given, and what it has written on its way."""
        written = self._written()
        self.live[node] = value
        for other in [*written, node]:
            self._seen[other] = [_state(tensor) for tensor in _tensors(self.live[other])]
        for other in written:
            if other.op == "get_attr":
                raise NhotError(
                    f"Operation {node.name!r} must not write into the constant {other.target!r}"
                )
            self._writers[other] = (node, _same_memory(value, self.live[other]))

    def writer(self, node: fx.Node) -> tuple[fx.Node | None, bool]:
        """The step that wrote last into the tensor of ``node``, and whether it gave all of that."""
        found, same = self._writers.get(node, (None, True))
        return found, same

    def _written(self) -> list[fx.Node]:
        """The steps whose tensors were changed, or lie where a tensor was."""
        memory = {
            tensor.untyped_storage().data_ptr()
            for node, seen in self._seen.items()
            for tensor, state in zip(_tensors(self.live[node]), seen, strict=True)
            if _state(tensor) != state
        }
        return [
            node for node in self._seen
            if any(t.untyped_storage().data_ptr() in memory for t in _tensors(self.live[node]))
        ]


def _state(tensor: Tensor) -> tuple[int, tuple[int, ...]]:
    return tensor._version, tuple(tensor.shape)


def _tensors(value: Any) -> list[Tensor]:
    parts = value if isinstance(value, tuple | list) else (value,)
    return [part for part in parts if isinstance(part, Tensor)]


def _same_memory(new: Any, old: Any) -> bool:
    """Whether both are tensors of the same elements in the same order."""
    if not (isinstance(new, Tensor) and isinstance(old, Tensor)):
        return False
    same = (
        new.untyped_storage().data_ptr() == old.untyped_storage().data_ptr()
        and new.storage_offset() == old.storage_offset() and new.numel() == old.numel()
    )
    alike = new.shape == old.shape and new.stride() == old.stride()
    return same and (alike or (new.is_contiguous() and old.is_contiguous()))
