"""An array of lanes with its weight memory as a product."""

from functools import cached_property
from typing import Any

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nhot.errors import NhotError
from nhot_hw.core.golden import array_vectors
from nhot_hw.core.lane import default_name, describe, sum_facts
from nhot_hw.core.product import Family, Product, to_json
from nhot_hw.core.stimulus import array_stimulus
from nhot_hw.core.timing import TIMING_STEPS, array_timing
from nhot_hw.core.widths import check_step
from nhot_hw.engine.array import LaneArray
from nhot_hw.engine.memories import WordMemory
from nhot_hw.lanes import LaneSpec

__all__ = ["ArrayCore", "ArrayProduct"]

STAGES = 2
"""Cycles from the ports to the lanes: the memory's own, and a register behind it."""

MEANINGS = {
    "i_write": "Write a word of weights; not while a step reads it.",
    "i_write_address": "Of that word; beyond the memory nothing is written.",
    "i_write_data": "Its weight fields, filter by filter, input 0 of filter 0 in the low bits.",
    "i_weights": "Address of the word of weights of this step.",
    "i_x": "The activations of this step, pixel by pixel, input 0 of pixel 0 in the low bits.",
    "i_en": "This cycle adds to the sums; any other may hold anything on i_x and i_weights.",
    "i_first": "With i_en: this step begins new sums. High in all cycles of that step.",
    "i_last": "With i_en: this is the last cycle of these sums.",
    "i_phase": "Which cycle of its step this is; i_x and i_weights stay the same in all of them.",
    "i_bias": "What the sums of each filter begin at; read latency - 1 cycles after i_first.",
    "o_sum": "The sums, pixel by pixel, that of filter 0 and pixel 0 in the low bits.",
    "o_valid": "o_sum holds the sums that an i_last completed latency cycles ago.",
}


class ArrayCore(wiring.Component):
    """T pixels by P filters of lanes, and a memory with the weights of a step in each word.

    A step gives an address and the activations of T pixels. The word comes out of the memory, and
    after a register (so that neither waits for the other) meets the activations in the lanes.

    Members
    -------
    i_write, i_write_address, i_write_data : In, a write into the memory
    i_weights : In(range(words)), address of the weights of a step
    i_x : In(T words of S activations)
    i_en, i_first, i_phase : as of a lane
    i_last : In(1), with i_en: the sums are whole
    i_bias : In(P accumulators), only where the spec says ``bias``
    o_sum : Out(T x P accumulators)
    o_valid : Out(1), ``latency`` cycles after i_last
    """

    def __init__(self, spec: LaneSpec, *, pixels: int, filters: int, words: int):
        self.spec = spec
        self.array = LaneArray(spec, pixels=pixels, filters=filters)
        self.memory = WordMemory(width=len(self.array.i_w), depth=words)
        members = self.array.signature.members
        optional = {
            **({"i_phase": members["i_phase"]} if spec.ii > 1 else {}),
            **({"i_bias": members["i_bias"]} if spec.bias else {}),
        }
        super().__init__({
            "i_write": In(1),
            "i_write_address": In(range(words)),
            "i_write_data": In(unsigned(len(self.array.i_w))),
            "i_weights": In(range(words)),
            "i_x": members["i_x"],
            "i_en": In(1),
            "i_first": In(1),
            "i_last": In(1),
            **optional,
            "o_sum": members["o_sum"],
            "o_valid": Out(1),
        })

    @property
    def latency(self) -> int:
        """Cycles from the last step of a sum to its value on ``o_sum``."""
        return STAGES + self.array.latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.array = array = self.array
        m.submodules.weights = memory = self.memory
        m.d.comb += [
            memory.i_write.eq(self.i_write),
            memory.i_write_address.eq(self.i_write_address),
            memory.i_write_data.eq(self.i_write_data),
            memory.i_address.eq(self.i_weights),
            self.o_sum.eq(array.o_sum),
        ]
        m.d.sync += array.i_w.eq(memory.o_word)
        self._delay(m, self.i_x.as_value(), array.i_x.as_value(), reset_less=True)
        self._delay(m, Cat(self.i_en, self.i_first), Cat(array.i_en, array.i_first))
        if self.spec.ii > 1:
            self._delay(m, self.i_phase, array.i_phase, reset_less=True)
        if self.spec.bias:
            m.d.comb += array.i_bias.eq(self.i_bias)
        ends = Signal(self.latency)
        m.d.sync += ends.eq(Cat(self.i_en & self.i_last, ends))
        m.d.comb += self.o_valid.eq(ends[-1])
        return m

    @staticmethod
    def _delay(m: Module, source: Any, target: Any, *, reset_less: bool = False) -> None:
        """``target`` is what ``source`` was when the present word was asked for."""
        for _ in range(STAGES):
            stage = Signal(len(source), reset_less=reset_less)
            m.d.sync += stage.eq(source)
            source = stage
        m.d.comb += target.eq(source)


class ArrayProduct(Product):
    """T x P lanes of ``spec`` and a memory of their weights.

    Parameters
    ----------
    spec : LaneSpec
    pixels, filters : int
        T, 1 to 64, and P, 1 to 256.
    words : int
        Of the memory, P x S weights each, 2 to 65,536.
    name, family, proved
        As of :class:`nhot_hw.core.LaneProduct`.

    Raises
    ------
    NhotError
        A size is out of range, the name is no identifier, or the accumulators hold no step.
    """

    FOLDERS = ("common", "sums", "array")
    MEANINGS = MEANINGS

    def __init__(
        self, spec: LaneSpec, *, pixels: int, filters: int, words: int, name: str | None = None,
        family: Family = "portable", proved: str = "",
    ):
        for what, value, low, high in (
            ("pixels", pixels, 1, 64), ("lanes", filters, 1, 256), ("words", words, 2, 1 << 16),
        ):
            if not low <= value <= high:
                raise NhotError(f"Array {what} must be {low} to {high}, not {value}")
        super().__init__(name or f"{default_name(spec)}x{filters}x{pixels}", family)
        if not proved:
            check_step(spec)
        self.spec, self.proved = spec, proved
        self.pixels, self.filters, self.words = pixels, filters, words

    @property
    def title(self) -> str:
        """What it is, in a line."""
        spec = self.spec
        sizes = f"{self.pixels} x {self.filters} x {spec.inputs}"
        return f"Array of {sizes} products a step, {spec.format.name} weights from a memory"

    def create(self) -> ArrayCore:
        """The gateware."""
        return ArrayCore(
            self.spec, pixels=self.pixels, filters=self.filters, words=self.words
        )

    @property
    def latency(self) -> int:
        """Cycles from the last step of a sum to the sum."""
        return self.component.latency

    def data(self) -> dict[str, str]:
        """What model and bench know of the core, and its golden vectors."""
        weights, sums = self._vectors
        sizes = {"pixels": self.pixels, "filters": self.filters, "words": self.words}
        return {
            "core.json": to_json({**describe(self.spec), "latency": self.latency, **sizes}),
            "vectors.json": to_json({"weights": weights.tolist(), "sums": sums}),
            "stimulus.hex": self._stimulus,
        }

    @cached_property
    def _vectors(self) -> tuple[Any, list[dict[str, Any]]]:
        return array_vectors(
            self.spec, pixels=self.pixels, filters=self.filters, words=min(self.words, 16)
        )

    @cached_property
    def _stimulus(self) -> str:
        return array_stimulus(self.spec, self.ports, self.latency, *self._vectors)

    def facts(self) -> dict[str, Any]:
        """What the templates say of it."""
        # What is drawn has a word of weights a step, which a small memory has no room for.
        drawn = self.component
        if self.words < TIMING_STEPS:
            drawn = ArrayCore(
                self.spec, pixels=self.pixels, filters=self.filters, words=TIMING_STEPS
            )
        return {
            **sum_facts(self.spec, self.proved), "latency": self.latency, "pixels": self.pixels,
            "filters": self.filters, "words": self.words,
            "covers": "random weights and traffic", "sums": len(self._vectors[1]),
            "cycles": self._stimulus.count("\n"),
            "timing": array_timing(self.spec, drawn),
        }
