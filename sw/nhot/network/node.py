"""What every layer of a network has, and the checks they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from nhot.errors import NhotError
from nhot.network.names import check_name
from nhot.network.requant import Requant
from nhot.network.tensor import Shape, Tensor

__all__ = ["Node"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Node(ABC):
    """Base of all operators: reads the tensors named ``inputs``, makes ``output``.

    Nodes hold arrays, so they compare by identity.
    """

    arity: ClassVar[int] = 1

    inputs: tuple[str, ...]
    output: Tensor

    def __post_init__(self) -> None:
        if not isinstance(self.inputs, tuple) or not isinstance(self.output, Tensor):
            raise TypeError(
                f"Inputs and output of a layer must be a tuple of names and a Tensor, "
                f"not {self.inputs!r} and {self.output!r}"
            )
        for name in self.inputs:
            check_name(name, f"an input of layer {self.name!r}")
        self._check_count()

    @property
    def name(self) -> str:
        """A node is called by the tensor that it makes."""
        return self.output.name

    def error(self, text: str) -> NhotError:
        """An error that names this layer."""
        return NhotError(f"Layer {self.name!r}: {text}")

    @abstractmethod
    def infer_shape(self, *inputs: Tensor) -> Shape:
        """The shape that the operator makes of ``inputs``; refuses inputs that do not suit it."""

    def _check_count(self) -> None:
        if len(self.inputs) != self.arity:
            raise self.error(f"it must read {self.arity} tensors, not {len(self.inputs)}")

    def check(self, *inputs: Tensor) -> None:
        """Refuse, naming this layer, inputs or an output that the operator cannot have."""
        for tensor in (*inputs, self.output):
            if tensor.bits > 8:
                raise self.error(f"tensor {tensor.name!r} must have 2 to 8 bits, not {tensor.bits}")
        self._check_shape(*inputs)

    def _check_shape(self, *inputs: Tensor) -> None:
        try:
            shape = self.infer_shape(*inputs)
        except NhotError as error:
            raise self.error(str(error)) from None
        if shape != self.output.shape:
            raise self.error(f"output must have shape {shape}, not {self.output.shape}")

    def _check_same_type(self, tensor: Tensor) -> None:
        for what in ("bits", "signed", "scale", "zero_point"):
            expected, got = getattr(tensor, what), getattr(self.output, what)
            if expected != got:
                raise self.error(f"output {what} must be that of its input, {expected}, not {got}")

    def _check_requant(self, requant: Requant, channels: int) -> None:
        if requant.multiplier.shape != (channels,):
            raise self.error(f"multipliers must be {channels}, not {requant.multiplier.size}")
        if requant.zero_point != self.output.zero_point:
            raise self.error(
                f"zero point of the requantisation must be the output's, "
                f"{self.output.zero_point}, not {requant.zero_point}"
            )
        self._check_range(requant.low, requant.high)

    def _check_range(self, low: int, high: int) -> None:
        if not self.output.low <= low <= high <= self.output.high:
            raise self.error(
                f"clamp range must lie within the output's {self.output.low} to "
                f"{self.output.high}, not {low} to {high}"
            )
