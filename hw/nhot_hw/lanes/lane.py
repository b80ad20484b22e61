"""What all lanes share: ports, adder tree and accumulator."""

from abc import abstractmethod
from typing import TYPE_CHECKING

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

if TYPE_CHECKING:
    from nhot_hw.lanes.spec import LaneSpec

__all__ = ["Lane", "add_tree"]


class Lane(wiring.Component):
    """A dot-product lane. The reference is :meth:`nhot_hw.lanes.LaneSpec.compute`.

    The pipeline never stops: only the accumulator looks at the enable, which travels with the
    data. Every adder has a register behind it, in the same logic cell. That costs nothing, and it
    keeps synthesis from merging adders into one big and slow sum.

    Members
    -------
    i_x : In(ArrayLayout(activation, S))
        Activations of this step. Anything, while ``i_en`` is low.
    i_w : In(S * field_bits)
        Weight fields of this step, input 0 in the low bits. Anything, while ``i_en`` is low.
    i_en : In(1)
        This cycle adds to the sum; may have gaps anywhere.
    i_first : In(1)
        With ``i_en``: this step starts a new sum. High in all phases of that step.
    i_phase : In(range(ii))
        Which of the ``ii`` enabled cycles of a step this is; ``i_x`` and ``i_w`` stay the same.
    o_sum : Out(signed(accumulator_bits))
        The sum, ``latency`` cycles after the last cycle with ``i_en``. It stays until the same
        time after the next ``i_first``.
    """

    i_x: Signal
    i_w: Signal
    i_en: Signal
    i_first: Signal
    i_phase: Signal
    o_sum: Signal

    def __init__(self, spec: "LaneSpec"):
        self.spec = spec
        super().__init__({
            "i_x": In(data.ArrayLayout(spec.activation_shape, spec.inputs)),
            "i_w": In(unsigned(spec.inputs * spec.format.field_bits)),
            "i_en": In(1),
            "i_first": In(1),
            "i_phase": In(range(max(spec.ii, 2))),
            "o_sum": Out(signed(spec.accumulator_bits)),
        })

    @staticmethod
    @abstractmethod
    def product_latency(spec: "LaneSpec") -> int:
        """Cycles from the inputs to the products."""

    @abstractmethod
    def product(self, m: Module, x: Value, field: Value) -> Value:
        """Add the circuit of one product to ``m``; return the signed register that holds it."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        products = [self.product(m, x, field) for x, field in self._operands()]
        total = add_tree(m, products, bits=self.spec.accumulator_bits)
        self._accumulate(m, total)
        return m

    def _operands(self) -> list[tuple[Value, Value]]:
        """Each input's activation, as a signed value, and weight field."""
        bits = self.spec.format.field_bits
        activations = (Value.cast(self.i_x[i]) for i in range(self.spec.inputs))
        return [
            (x if x.shape().signed else Cat(x, 0).as_signed(), self.i_w[i * bits:(i + 1) * bits])
            for i, x in enumerate(activations)
        ]

    def _accumulate(self, m: Module, total: Value) -> None:
        enable, first = self.i_en, self.i_en & self.i_first & (self.i_phase == 0)
        if self.spec.ii == 1:
            first = self.i_en & self.i_first
        for _ in range(self.spec.latency - 1):
            enable, first = _delayed(m, enable), _delayed(m, first)
        with m.If(enable):
            m.d.sync += self.o_sum.eq(Mux(first, total, self.o_sum + total))


def add_tree(m: Module, values: list[Value], *, bits: int) -> Value:
    """Add signed values pairwise, with a register after each level.

    ``bits`` that hold the final sum are enough for all the others: what wraps on the way, wraps
    back. Takes ``ceil(log2(len(values)))`` cycles.
    """
    while len(values) > 1:
        sums = [a + b for a, b in zip(values[::2], values[1::2], strict=False)]
        rest = values[len(sums) * 2:]
        values = [register(m, value, bits=bits) for value in sums + rest]
    return values[0]


def register(m: Module, value: Value, *, bits: int) -> Signal:
    """A register of a signed value, at most ``bits`` wide; not reset, since enables guard it."""
    stage = Signal(signed(min(len(value), bits)), reset_less=True)
    m.d.sync += stage.eq(value)
    return stage


def _delayed(m: Module, bit: Value) -> Signal:
    stage = Signal()
    m.d.sync += stage.eq(bit)
    return stage
