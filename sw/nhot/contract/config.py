"""The sizes of an engine: everything that gateware and compiler must agree on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from math import gcd
from typing import Literal

from nhot.contract.banks import bank_words, banks
from nhot.contract.latency import (
    REQUANT_LATENCY,
    ROUNDING_LATENCY,
    addends,
    filter_groups,
    interval,
    memory_latency,
    product_latency,
    sum_latency,
)
from nhot.contract.program import MAX_PAYLOAD
from nhot.errors import NhotError
from nhot.formats import Binary, Format, NHot, SignedBinary, Uniform, parse
from nhot.printable import shortened

__all__ = [
    "DEPTHWISE_KERNEL", "DEPTHWISE_TAPS", "LANES", "LANE_FORMATS", "SIZES", "WINDOW_BITS",
    "EngineConfig",
]

SIZES = {
    "pixels": (1, 64), "filters": (1, 256), "inputs": (1, 64), "requantisers": (1, 64),
    "accumulator_bits": (12, 32), "product_bits": (32, 64),
    "activation_words": (16, 65536), "weight_words": (16, 65536),
    "requant_words": (16, 65536), "program_words": (32, 4096),
}
"""The least and the most that each size of an engine may be."""

MAX_ACTIVATION_TERMS = 4
"""Terms of an activation beyond which rounding loses nothing: five are enough for any byte."""

DEPTHWISE_KERNEL = 3
"""Rows and columns of the kernels whose taps lanes can take at once."""

DEPTHWISE_TAPS = DEPTHWISE_KERNEL**2

LaneStyle = Literal["parallel", "chain", "serial", "rows"]

LANE_FORMATS = (NHot, SignedBinary, Binary, Uniform)
"""Kinds of formats that there are lanes for."""

LANES: dict[LaneStyle, tuple[tuple[type[Format], ...], str]] = {
    "parallel": (LANE_FORMATS, "any"),
    "chain": ((NHot, SignedBinary, Binary), "n-hot, signed-binary or binary"),
    "serial": ((NHot,), "n-hot"),
    "rows": ((Uniform,), "uniform"),
}
"""What ``EngineConfig.lane`` may be, and of which formats."""

WINDOW_BITS = 20
"""The most bits of the sum of a pooling window."""


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """A T x P x S array: T pixels by P filters by S inputs a cycle, and the memories around it.

    Parameters
    ----------
    pixels : int
        T, output pixels side by side.
    filters : int
        P, filters at a time.
    inputs : int
        S, input channels at a time; also the bytes of an activation word.
    requantisers : int
        R, outputs requantised at a time; divides P and S.
    format : str
        Weight format of the lanes, as :func:`nhot.formats.parse` reads it.
    requant_terms : int
        Terms of a multiplier that a requantiser takes in a cycle: 1, 2 or 4.
    activation_terms : int
        Most signed powers of two that outputs can be rounded to, 1 to 4, for n-hot activations; 0
        for an engine that rounds none.
    lane : {"parallel", "chain", "serial", "rows"}
        All terms of a weight in one cycle, added up in a tree or in chains of about four, which
        take fewer cells and a cycle or two more (not uniform formats); or one term a cycle
        (n-hot). Products with uniform weights are what synthesis makes of them, or mapped by hand
        in rows of adder cells, without a DSP.
    single_port : bool
        Whether activations and weights lie in memories with a single port, as the large ones of
        small FPGAs are: what a pixel group gives is written in cycles of its own. Needs one pixel,
        no ``depthwise``, and lanes that are not serial.
    depthwise : bool
        Whether lanes can take nine taps of the channel of their filter in a step, for depthwise
        layers with kernels of 3 x 3; needs P = S of at least 9, and lanes that are not serial.
    accumulator_bits, product_bits : int
        Widths of an accumulator and of a requantisation product.
    activation_words, weight_words, requant_words, program_words : int
        Depths of the four memories, in words of S bytes, P * S fields (and P signs),
        32 * R bits and 32 bits.
    """

    pixels: int = 1
    filters: int = 4
    inputs: int = 4
    requantisers: int = 1
    requant_terms: int = 1
    format: str = "2hot"
    lane: LaneStyle = "parallel"
    depthwise: bool = False
    single_port: bool = False
    activation_terms: int = 0
    accumulator_bits: int = 24
    product_bits: int = 48
    activation_words: int = 1024
    weight_words: int = 512
    requant_words: int = 256
    program_words: int = 256

    def __post_init__(self) -> None:
        # One engine, one name, one target id: "2hot@8" is "2hot".
        object.__setattr__(self, "format", parse(self.format).name)
        fmt = self.weight_format
        if not isinstance(fmt, LANE_FORMATS):
            raise NhotError(
                f"Engine format must be n-hot, signed-binary, binary or uniform, not "
                f"{self.format!r}, for which there is no lane"
            )
        for what, (low, high) in SIZES.items():
            value = getattr(self, what)
            if type(value) is not int or not low <= value <= high:  # True is no size
                raise NhotError(f"Engine {what} must be {low} to {high}, not {shortened(value)}")
        if isinstance(fmt, SignedBinary):
            fmt.check_inputs(self.inputs)
        if self.filters % self.inputs and self.inputs % self.filters:
            raise NhotError(
                f"Engine filters and inputs must divide one another, "
                f"not {self.filters} and {self.inputs}"
            )
        if gcd(self.filters, self.inputs) % self.requantisers:
            raise NhotError(
                f"Engine requantisers must divide filters ({self.filters}) and inputs "
                f"({self.inputs}), not {self.requantisers}"
            )
        if self.lane not in LANES:
            *styles, other = map(repr, LANES)
            raise NhotError(
                f"Engine lane must be {', '.join(styles)} or {other}, not {self.lane!r}"
            )
        kinds, names = LANES[self.lane]
        if not isinstance(fmt, kinds):
            raise NhotError(
                f"Engine format of {self.lane} lanes must be {names}, not {self.format!r}"
            )
        terms = self.requant_terms
        if type(terms) is not int or terms not in REQUANT_LATENCY:
            *others, last = REQUANT_LATENCY
            raise NhotError(
                f"Engine requant_terms must be {', '.join(map(str, others))} or {last}, "
                f"not {shortened(terms)}"
            )
        terms = self.activation_terms
        if type(terms) is not int or not 0 <= terms <= MAX_ACTIVATION_TERMS:
            raise NhotError(
                f"Engine activation_terms must be 0 to {MAX_ACTIVATION_TERMS}, "
                f"not {shortened(terms)}"
            )
        for what in ("depthwise", "single_port"):
            if type(value := getattr(self, what)) is not bool:
                raise NhotError(f"Engine {what} must be true or false, not {shortened(value)}")
        if self.depthwise and (
            self.filters != self.inputs or self.inputs < DEPTHWISE_TAPS or self.lane == "serial"
        ):
            raise NhotError(
                f"Engine with depthwise must have as many filters as inputs, at least "
                f"{DEPTHWISE_TAPS}, and lanes that are not serial, not {self.filters} filters, "
                f"{self.inputs} inputs and {self.lane} lanes"
            )
        if self.single_port and (self.pixels > 1 or self.depthwise or self.lane == "serial"):
            raise NhotError(
                "Engine with single_port must have one pixel, no depthwise, and lanes that are not "
                f"serial, not {self.pixels} pixels, {'' if self.depthwise else 'no '}depthwise and "
                f"{self.lane} lanes"
            )
        longest = max(self.code_bytes, self.field_bytes)
        if longest > MAX_PAYLOAD:
            raise NhotError(
                f"Engine weight word of {self.filters} filters and {self.inputs} inputs must fit a "
                f"frame of {MAX_PAYLOAD} bytes, not {longest}"
            )

    @property
    def weight_format(self) -> Format:
        """The format that ``format`` names."""
        return parse(self.format)

    @property
    def macs(self) -> int:
        """Multiply-accumulates a step."""
        return self.pixels * self.filters * self.inputs

    @property
    def step_cycles(self) -> int:
        """Cycles a step takes: one, or one a term for serial lanes."""
        return interval(self.weight_format, self.lane)

    @property
    def preloads(self) -> int:
        """Pixel groups at the start of a row whose columns a depthwise layer only reads."""
        return -(-(DEPTHWISE_KERNEL - 1) // self.pixels)

    @property
    def lane_latency(self) -> int:
        """Cycles from the last step of a sum to the sum: product, adder tree, accumulator."""
        lane = self.weight_format, self.lane, self.inputs
        return sum_latency(product_latency(*lane), addends(*lane))

    @property
    def filter_groups(self) -> int:
        """Groups of filters, each of which works a cycle after the one before it.

        In a wide array a word so passes from group to group, in place of reaching all lanes in one
        cycle. Lanes that may have taps of their own have registers of their own for that.
        """
        return filter_groups(self.macs, self.filters) if not self.depthwise else 1

    @property
    def array_latency(self) -> int:
        """Cycles from the last step of a sum, at the first group of filters, to the sum."""
        return self.filter_groups - 1 + self.lane_latency

    @property
    def sum_latency(self) -> int:
        """Cycles from the last step of an array's sum to the sum, the memories' included."""
        return self.memory_latency + self.depthwise + self.array_latency

    @property
    def byte_latency(self) -> int:
        """Cycles from the last terms of a value to its byte, with which it is written."""
        rounding = ROUNDING_LATENCY if self.activation_terms else 0
        return REQUANT_LATENCY[self.requant_terms].byte + rounding

    @property
    def memory_latency(self) -> int:
        """Cycles from a step to its words in registers.

        Lanes that may have taps of their own get them from there, a cycle later.
        """
        return memory_latency(self.banks)

    @property
    def banks(self) -> int:
        """Memories that the activations are dealt out to."""
        return banks(self.pixels)

    @property
    def bank_words(self) -> int:
        """Depth of a bank."""
        return bank_words(self.activation_words, self.banks)

    @property
    def fetches_ahead(self) -> bool:
        """Whether the next descriptor is fetched while a layer ends, which needs a copy of its own.

        Not where memories have a single port: the parts that have such are small, and full.
        """
        return not self.single_port

    @property
    def write_cycles(self) -> int:
        """Cycles of a pixel group in which activations are written instead of read."""
        return max(1, self.filters // self.inputs) if self.single_port else 0

    @property
    def word_codes(self) -> int:
        """Codes, and fields, of one weight word: for each filter S, and its sign if it has one."""
        return self.filters * (self.inputs + self.weight_format.sign_codes)

    @property
    def code_bytes(self) -> int:
        """Bytes of one weight word on the wire: its dense codes, packed, low bits first."""
        return (self.word_codes * self.weight_format.code_bits + 7) // 8

    @property
    def field_bytes(self) -> int:
        """Bytes of one weight word as it is read back: its fields, each in whole bytes."""
        return self.word_codes * ((self.weight_format.field_bits + 7) // 8)

    @property
    def weight_word_bits(self) -> int:
        """Bits of one weight word on the board: its fields."""
        return self.word_codes * self.weight_format.field_bits

    @property
    def activation_address_bits(self) -> int:
        """Bits of an activation address; no tensor has more words, rows or columns than 2 to it."""
        return (self.activation_words - 1).bit_length()

    @property
    def distance_bits(self) -> int:
        """Bits of the signed distances that an activation address moves by, padding included."""
        return min(self.activation_address_bits + 3, 16)

    @property
    def loop_bits(self) -> int:
        """Bits of the engine's loop counters: a kernel's 8, or an activation address."""
        return max(self.activation_address_bits, 8)

    @property
    def position_bits(self) -> int:
        """Bits of a signed input position, from the padding before the input to that behind it."""
        return self.loop_bits + 2

    @property
    def weight_address_bits(self) -> int:
        """Bits of a weight address."""
        return (self.weight_words - 1).bit_length()

    @property
    def records(self) -> int:
        """Requantisation records that the engine holds, of two words each."""
        return self.requant_words // 2

    @property
    def record_address_bits(self) -> int:
        """Bits of the number of a record."""
        return (self.records - 1).bit_length()

    @property
    def window_bits(self) -> int:
        """Bits of the sum of a pooling window: a byte from every word, at most WINDOW_BITS."""
        return min(8 + self.activation_address_bits, WINDOW_BITS, self.accumulator_bits)

    @property
    def target_id(self) -> int:
        """32 bits that differ between engines whose images are not interchangeable."""
        sizes = self.sizes()
        if not self.depthwise:  # an engine without is the one that it was before there was any
            del sizes["depthwise"]
        digest = hashlib.sha256(_canonical(sizes).encode()).digest()
        return int.from_bytes(digest[:4], "little")

    def to_json(self) -> str:
        """Canonical JSON, the same bytes for the same engine."""
        return _canonical(self.sizes())

    def sizes(self) -> dict[str, int | str]:
        """All fields as files have them: without those of what an engine may do without, if it
        does."""
        sizes = asdict(self)
        for name in ("single_port", "activation_terms"):
            if not sizes[name]:
                del sizes[name]
        return sizes


def _canonical(sizes: dict[str, int | str]) -> str:
    return json.dumps(sizes, sort_keys=True, separators=(",", ":"))
