"""What a lane computes, in integers, and the gateware that does it."""

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Shape
from numpy.typing import ArrayLike

from nhot.contract.config import LANE_FORMATS, LANES, EngineConfig, LaneStyle
from nhot.contract.latency import interval, sum_latency
from nhot.errors import NhotError
from nhot.formats import Binary, Format, NHot, SignedBinary
from nhot.formats.format import Ints
from nhot_hw.lanes.binary import BinaryChainLane, BinaryLane
from nhot_hw.lanes.chain import ChainLane, SignedBinaryChainLane
from nhot_hw.lanes.lane import Lane
from nhot_hw.lanes.multiply import MultiplyLane
from nhot_hw.lanes.parallel import ParallelLane
from nhot_hw.lanes.register import bits_for
from nhot_hw.lanes.rows import RowsLane
from nhot_hw.lanes.serial import SerialLane
from nhot_hw.lanes.signed_binary import SignedBinaryLane

__all__ = ["LaneSpec", "for_config"]


@dataclass(frozen=True, kw_only=True)
class LaneSpec:
    """One dot-product lane: each step adds ``sum(w[i] * x[i])`` over S inputs to an accumulator.

    :meth:`compute` is the reference and :meth:`create` the gateware; they are equal bit by bit.

    Parameters
    ----------
    format : Format
        Weight format, which decides the circuit.
    inputs : int
        S, products a step.
    activation_bits, activation_signed : int, bool
        Range of an activation.
    accumulator_bits : int
        Width of the sum. It wraps on the way, which does no harm to a sum that fits in the end.
    style : {"parallel", "chain", "serial", "rows"}
        All terms of a weight in one cycle: in a tree, or in chains of about four, which take fewer
        cells and more cycles (not uniform formats); or one term a cycle (n-hot only). A uniform
        format is left to synthesis as a product, or mapped by hand in rows of adder cells.
    bias : bool
        A sum starts at the port ``i_bias``, not at 0: at its own bias, or at the ones that it
        leaves out, so that no adder behind the lane makes up for them.
    """

    format: Format
    inputs: int
    activation_bits: int = 8
    activation_signed: bool = True
    accumulator_bits: int = 24
    style: LaneStyle = "parallel"
    bias: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.format, Format):
            raise TypeError(f"Format of a lane must be a Format, not {self.format!r}")
        for what, low, high in (
            ("inputs", 1, 64), ("activation_bits", 2, 16), ("accumulator_bits", 8, 64),
        ):
            value = getattr(self, what)
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"Lane {what} must be an integer, not {value!r}")
            if not low <= value <= high:
                raise NhotError(f"Lane {what} must be {low} to {high}, not {value}")
        for what in ("activation_signed", "bias"):
            value = getattr(self, what)
            if not isinstance(value, bool):
                raise TypeError(f"Lane {what} must be a bool, not {value!r}")
        if self.style not in LANES:
            names = ", ".join(map(repr, LANES))
            raise NhotError(f"Lane style must be one of {names}, not {self.style!r}")
        if not isinstance(self.format, LANE_FORMATS):
            raise NhotError(f"Format must be one that a lane exists for, not {self.format.name}")
        kinds, name = LANES[self.style]
        if not isinstance(self.format, kinds):
            raise NhotError(
                f"Format of a {self.style} lane must be {name}, not {self.format.name}"
            )
        if isinstance(self.format, SignedBinary):
            self.format.check_inputs(self.inputs)

    @property
    def activation_shape(self) -> Shape:
        """Shape of one activation."""
        return Shape(self.activation_bits, signed=self.activation_signed)

    @property
    def ii(self) -> int:
        """Cycles a step takes: 1, or the terms of a weight where they come one a cycle."""
        return interval(self.format, self.style)

    @property
    def latency(self) -> int:
        """Cycles from the last enabled cycle of a sum to the first in which ``o_sum`` holds it.

        That of the products, one for each level of the adder tree, one for the accumulator.
        """
        return sum_latency(self._core.product_latency(self), self._core.addends(self))

    @property
    def weight_bits(self) -> int:
        """Bits of the weights of a step: S fields, and one of the sign that they may share."""
        return (self.inputs + self.format.sign_codes) * self.format.field_bits

    @property
    def product_bits(self) -> int:
        """Bits of the signed product of any activation and any level, as the lane computes it."""
        return bits_for(self.product_range)

    @property
    def product_range(self) -> Ints:
        """The smallest and the largest product, as the lane computes it."""
        levels = self.format.levels
        missing = self.format.inverted_terms(levels[:, None])
        products = np.outer(self.activation_range, levels) - missing
        return np.array([products.min(), products.max()])

    @property
    def activation_range(self) -> tuple[int, int]:
        """The smallest and the largest activation."""
        if self.activation_signed:
            return -(1 << self.activation_bits - 1), (1 << self.activation_bits - 1) - 1
        return 0, (1 << self.activation_bits) - 1

    def compute(self, x: ArrayLike, w: ArrayLike, bias: int = 0) -> int:
        """What ``o_sum`` holds after K steps.

        Parameters
        ----------
        x : (K, S) integers
            Activations.
        w : (K, S) integers
            Weights, as levels of the format; of one sign a step if they share it.
        bias : int
            What the sum starts at; only a lane with ``bias`` has another than 0.

        Returns
        -------
        int
            ``bias + sum(w * x) - sum(format.inverted_terms(w))``: a lane adds ``~x`` where ``-x``
            is meant, of an input or of a step, and the ones that are missing belong into the bias.

        Raises
        ------
        NhotError
            If a shape or a value is not as above, or if the sum does not fit the accumulator.
        """
        activations, levels = self._check("Activations", x), self._check("Weights", w)
        if activations.shape != levels.shape:
            raise NhotError(f"Weights must have the shape {activations.shape}, not {levels.shape}")
        low, high = self.activation_range
        if activations.size and not low <= activations.min() <= activations.max() <= high:
            raise NhotError(
                f"Activations must be {low} to {high}, "
                f"not {activations.min()} to {activations.max()}"
            )
        if bias and not self.bias:
            raise NhotError(f"Bias of a lane without one must be 0, not {bias}")
        missing = int(self.format.inverted_terms(levels).sum())
        total = bias + int((activations * levels).sum()) - missing
        if not -(1 << self.accumulator_bits - 1) <= total < 1 << self.accumulator_bits - 1:
            raise NhotError(f"Sum must fit {self.accumulator_bits} signed bits, not be {total}")
        return total

    def pack(self, w: ArrayLike) -> int:
        """``i_w`` of one step: the fields of ``w`` (S,) levels, input 0 in the low bits.

        The sign that they may share is in the top bits.
        """
        fields = self.format.to_fields(w)
        return sum(int(field) << i * self.format.field_bits for i, field in enumerate(fields))

    def create(self) -> Lane:
        """The gateware; its ports are those of :class:`nhot_hw.lanes.Lane`."""
        return self._core(self)

    @property
    def _core(self) -> type[Lane]:
        match self.format:
            case NHot():
                return {
                    "parallel": ParallelLane, "chain": ChainLane, "serial": SerialLane,
                }[self.style]
            case SignedBinary():
                return SignedBinaryChainLane if self.style == "chain" else SignedBinaryLane
            case Binary():
                return BinaryChainLane if self.style == "chain" else BinaryLane
            case _:
                return RowsLane if self.style == "rows" else MultiplyLane

    def _check(self, what: str, values: ArrayLike) -> Ints:
        array = np.asarray(values)
        if array.ndim != 2 or array.shape[1] != self.inputs:
            raise NhotError(f"{what} must have the shape (K, {self.inputs}), not {array.shape}")
        if array.dtype.kind not in "iu" and array.size:
            raise TypeError(f"{what} must be integers, not {array.dtype}")
        return array.astype(np.int64)


def for_config(config: EngineConfig) -> LaneSpec:
    """The lane of an engine."""
    return LaneSpec(
        format=config.weight_format,
        inputs=config.inputs,
        accumulator_bits=config.accumulator_bits,
        style=config.lane,
    )
