"""A whole integer network: one input, layers in the order they run, one output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from nhot.errors import NhotError
from nhot.network.names import check_name, listed
from nhot.network.operators import Node
from nhot.network.tensor import Tensor

__all__ = ["Network"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """An integer network, checked when it is built; looking a tensor or a layer up takes no search.

    Parameters
    ----------
    name : str
    input : Tensor
        2 to 8 bits.
    nodes : tuple of Node
        In an order in which they can run: each reads the input or what an earlier node made.
    output_name : str
        Name of the tensor that the network gives; that of the last node unless said.

    Raises
    ------
    NhotError
        A name is used twice or unknown, or a layer's output is not what its operator makes of its
        inputs; the text names the layer.
    """

    name: str
    input: Tensor
    nodes: tuple[Node, ...]
    output_name: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.nodes, tuple) or not all(isinstance(n, Node) for n in self.nodes):
            raise TypeError("Nodes of a network must be a tuple of Node")
        check_name(self.name, "a network")
        if not self.nodes:
            raise NhotError(f"Network {self.name!r} must have at least one layer")
        if self.input.bits > 8:
            raise NhotError(
                f"Input {self.input.name!r} must have 2 to 8 bits, not {self.input.bits}"
            )
        if not self.output_name:
            object.__setattr__(self, "output_name", self.nodes[-1].name)
        tensors = {self.input.name: self.input}
        for node in self.nodes:
            _check_names(node, tensors)
            node.check(*(tensors[name] for name in node.inputs))
            tensors[node.name] = node.output
        self.tensor(self.output_name)

    @cached_property
    def tensors(self) -> Mapping[str, Tensor]:
        """All tensors by name, the input first, then in the order they are made."""
        return {self.input.name: self.input, **{node.name: node.output for node in self.nodes}}

    @property
    def output(self) -> Tensor:
        """The tensor that the network gives."""
        return self.tensor(self.output_name)

    def tensor(self, name: str) -> Tensor:
        """The tensor called ``name``; an unknown name is refused."""
        try:
            return self.tensors[name]
        except KeyError:
            raise NhotError(f"Tensor must be one of {listed(self.tensors)}, not {name!r}") from None

    def node(self, name: str) -> Node:
        """The layer that makes the tensor called ``name``."""
        try:
            return self._makers[name]
        except KeyError:
            raise NhotError(f"Layer must be one of {listed(self._makers)}, not {name!r}") from None

    def inputs(self, node: Node) -> tuple[Tensor, ...]:
        """The tensors that ``node`` reads."""
        return tuple(self.tensor(name) for name in node.inputs)

    def consumers(self, name: str) -> tuple[Node, ...]:
        """The layers that read the tensor called ``name``, in order."""
        return self._readers.get(name, ())

    @cached_property
    def _makers(self) -> Mapping[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def _readers(self) -> Mapping[str, tuple[Node, ...]]:
        readers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                readers.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in readers.items()}


def _check_names(node: Node, tensors: dict[str, Tensor]) -> None:
    if node.name in tensors:
        raise node.error("its name must be unique")
    for name in node.inputs:
        if name not in tensors:
            raise node.error(
                f"input must be the network's or an earlier layer's ({listed(tensors)}), "
                f"not {name!r}"
            )
