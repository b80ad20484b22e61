"""What all lanes share: ports, adder tree and accumulator."""

from abc import abstractmethod
from typing import TYPE_CHECKING

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.latency import addends, product_latency
from nhot_hw.lanes.ccu2c import Fused, fused_accumulate, fused_add, is_ecp5
from nhot_hw.lanes.register import Held, add_tree, delay

if TYPE_CHECKING:
    from nhot_hw.lanes.spec import LaneSpec

__all__ = ["Lane"]


class Lane(wiring.Component):
    """A dot-product lane. The reference is :meth:`nhot_hw.lanes.LaneSpec.compute`.

    The pipeline never stops: only the accumulator looks at the enable, which travels with the
    data. Every adder has a register behind it, in the same logic cell. That costs nothing, and it
    keeps synthesis from merging adders into one big and slow sum.

    Members
    -------
    i_x : In(ArrayLayout(activation, S))
        Activations of this step. Anything, while ``i_en`` is low.
    i_w : In(weight_bits)
        Weight fields of this step, input 0 in the low bits, and the sign behind them if the format
        has one a step. Anything, while ``i_en`` is low.
    i_en : In(1)
        This cycle adds to the sum; may have gaps anywhere.
    i_first : In(1)
        With ``i_en``: this step starts a new sum. High in all phases of that step.
    i_phase : In(range(ii))
        Which of the ``ii`` enabled cycles of a step this is; ``i_x`` and ``i_w`` stay the same.
    i_bias : In(signed(accumulator_bits))
        Where the spec says ``bias``: what a sum starts at. Read ``latency - 1`` cycles after its
        ``i_first``, when the first step reaches the accumulator, so that no register holds it.
    o_sum : Out(signed(accumulator_bits))
        The sum, ``latency`` cycles after the last cycle with ``i_en``. It stays until the same
        time after the next ``i_first``.
    """

    i_x: Signal
    i_w: Signal
    i_en: Signal
    i_first: Signal
    i_phase: Signal
    i_bias: Signal
    o_sum: Signal

    def __init__(self, spec: "LaneSpec"):
        self.spec = spec
        super().__init__({
            "i_x": In(data.ArrayLayout(spec.activation_shape, spec.inputs)),
            "i_w": In(unsigned(spec.weight_bits)),
            "i_en": In(1),
            "i_first": In(1),
            "i_phase": In(range(max(spec.ii, 2))),
            **({"i_bias": In(signed(spec.accumulator_bits))} if spec.bias else {}),
            "o_sum": Out(signed(spec.accumulator_bits)),
        })

    @staticmethod
    def product_latency(spec: "LaneSpec") -> int:
        """Cycles from the inputs to the products: what the compiler counts on, for engines."""
        return product_latency(spec.format, spec.style, spec.inputs)

    @abstractmethod
    def product(self, m: Module, x: Value, field: Value, *, fuse: bool) -> Value | Fused:
        """Add the circuit of one product to ``m``; return the signed register that holds it.

        With ``fuse`` the adder that follows may do the last stage.
        """

    @staticmethod
    def addends(spec: "LaneSpec") -> int:
        """How many numbers of a step the adder tree adds."""
        return addends(spec.format, spec.style, spec.inputs)

    def products(self, m: Module, *, platform: object) -> list[Value | Fused | Held]:
        """What the adder tree adds; takes ``product_latency`` cycles."""
        fuse = is_ecp5(platform)
        return [self.product(m, x, field, fuse=fuse) for x, field in self.operands()]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        fuse = is_ecp5(platform)
        negative = self._negative(m)
        late = fuse and not self.spec.bias  # the carry cells have no input left beside a bias
        total = add_tree(
            m, self.products(m, platform=platform), bits=self.spec.accumulator_bits,
            invert=None if late else negative,
        )
        self._accumulate(m, total, negative if late else None, fuse=fuse)
        return m

    def operands(self) -> list[tuple[Value, Value]]:
        """Each input's activation, as a signed value, and weight field."""
        bits = self.spec.format.field_bits
        activations = (Value.cast(self.i_x[i]) for i in range(self.spec.inputs))
        return [
            (x if x.shape().signed else Cat(x, 0).as_signed(), self.i_w.word_select(i, bits))
            for i, x in enumerate(activations)
        ]

    def _negative(self, m: Module) -> Value | None:
        """Whether the sum of this step is to be inverted, as late as the products."""
        if not self.spec.format.sign_codes:
            return None
        return delay(m, self.i_w[-1], self.product_latency(self.spec))

    def _accumulate(
        self, m: Module, total: Value, negative: Value | None, *, fuse: bool
    ) -> None:
        """Add ``total``, or ``~total`` if it is ``negative``, to the sum."""
        bits = self.spec.accumulator_bits
        enable, first = self._control(m)
        if negative is not None:
            negative = delay(m, negative, (self.addends(self.spec) - 1).bit_length())
            new = fused_accumulate(m, total, negative, self.o_sum, first)
        elif fuse:
            new = fused_add(m, total, self._old(first), bits=bits)
        elif self.spec.bias:
            new = self._old(first).value + total
        else:
            # In this order an iCE40 does it in the cells of the adder.
            new = Mux(first, total, self.o_sum + total)
        with m.If(enable):
            m.d.sync += self.o_sum.eq(new)

    def _old(self, first: Value) -> Fused:
        """What the total is added to."""
        if self.spec.bias:
            return Fused(kind="mux", b=self.i_bias, c=self.o_sum, d=first)
        return Fused(kind="gate", b=self.o_sum, c=~first, d=Const(0, 1))

    def _control(self, m: Module) -> tuple[Value, Value]:
        """Enable and first, as late as the total."""
        first = self.i_first
        if self.spec.ii > 1:
            first &= self.i_phase == 0
        control = Cat(self.i_en, first)
        for _ in range(self.spec.latency - 1):
            stage = Signal(2)
            m.d.sync += stage.eq(control)
            control = stage
        return control[0], control[1]
