"""Terms that are added one after the other, the last stage of each in the cells of its adder."""

from typing import TYPE_CHECKING

import numpy as np
from amaranth.hdl import Const, Module, Mux, Value

from nhot.contract.latency import chain_weights
from nhot.formats import NHot
from nhot_hw.lanes.ccu2c import Fused, is_ecp5, is_ice40
from nhot_hw.lanes.parallel import ParallelLane, max_shifts
from nhot_hw.lanes.register import Held, add, bits_for, delay, register

if TYPE_CHECKING:
    from nhot_hw.lanes.spec import LaneSpec

__all__ = ["ChainLane", "SignedBinaryChainLane"]


class ChainLane(ParallelLane):
    """n-hot: terms in chains of about four, of whole weights, and a tree of the chains.

    The cells of an ECP5 that add a term also do its last stage, but only for one of two operands:
    in a tree for every second term, in a chain for all but the first. In exchange a sum is later,
    and what is not yet due waits in flip-flops; activations in those of all lanes.
    """

    def products(self, m: Module, *, platform: object) -> list[Value | Fused | Held]:
        operands = self.operands()
        weights = chain_weights(self.spec.format, self.spec.inputs)
        return [
            self._chain(m, operands[k:k + weights], platform)
            for k in range(0, len(operands), weights)
        ]

    def link(
        self, m: Module, index: int, x: Value, field: Value, platform: object
    ) -> Value | Fused | Held:
        """A term that is added to those before it, a cycle later."""
        return self.term(m, index, x, field, fuse=is_ecp5(platform))

    def _chain(
        self, m: Module, operands: list[tuple[Value, Value]], platform: object
    ) -> Value:
        """The sum of up to so many activations times weights as a chain has."""
        terms = [(i, x, field) for x, field in operands for i in range(_terms(self.spec))]
        total = self.term(m, *terms[0], fuse=False)
        for k, (i, x, field) in enumerate(terms[1:]):
            link = self.link(m, i, delay(m, x, k), delay(m, field, k), platform)
            bits = self._bits(k + 2)
            total = register(m, add(m, total, link, bits=bits), bits=bits)
        return delay(m, total, self.product_latency(self.spec) - len(terms))

    def _bits(self, terms: int) -> int:
        """Bits of the sum of the first terms of a chain."""
        spec = self.spec
        weights, rest = divmod(terms, _terms(spec))
        bounds = weights * spec.product_range
        for i in range(rest):
            term = np.array(spec.activation_range) << max_shifts(spec.format)[i]
            both = np.concatenate([term, ~term])
            bounds = bounds + np.array([both.min(), both.max()])
        return min(bits_for(bounds), spec.accumulator_bits)


class SignedBinaryChainLane(ChainLane):
    """Signed-binary: gates in the cells of the adders, but for the first of each chain.

    An ECP5 has the gate in front of the adder. An iCE40 has it behind: the sum so far goes through.
    """

    def term(
        self, m: Module, index: int, x: Value, field: Value, *, fuse: bool
    ) -> Value | Fused:
        return register(m, Mux(field[0], x, 0).as_signed())

    def link(
        self, m: Module, index: int, x: Value, field: Value, platform: object
    ) -> Value | Fused | Held:
        if is_ecp5(platform):
            return Fused(kind="gate", b=register(m, x), c=register(m, field), d=Const(0, 1))
        if is_ice40(platform):
            return Held(operand=register(m, x), enable=register(m, field))
        return self.term(m, index, x, field, fuse=False)


def _terms(spec: "LaneSpec") -> int:
    """Terms of a weight."""
    return spec.format.n if isinstance(spec.format, NHot) else 1
