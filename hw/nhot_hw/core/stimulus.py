"""Cycles that bring the golden vectors into a core, for a bench in Verilog alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nhot.formats.format import Ints
from nhot_hw.core.ports import Port
from nhot_hw.lanes import LaneSpec

__all__ = ["array_stimulus", "concatenate", "lane_stimulus"]

_GAPS = 0.3  # of the cycles


def lane_stimulus(
    spec: LaneSpec, ports: Sequence[Port], vectors: Sequence[Mapping[str, Any]]
) -> str:
    """The sums of :func:`lane_vectors`; ``o_sum`` is looked at whenever it is defined."""
    rng = np.random.default_rng(3)
    feed = _Feed(ports, latency=spec.latency, keep=True)
    for vector in vectors:
        steps = [
            {"i_x": concatenate(x, spec.activation_bits), "i_w": spec.pack(w)}
            for x, w in zip(vector["x"], vector["w"], strict=True)
        ]
        feed.sum(spec.ii, steps, vector["bias"], {"o_sum": vector["sum"]}, rng)
    return feed.lines(rng)


def array_stimulus(
    spec: LaneSpec, ports: Sequence[Port], latency: int, weights: Ints,
    vectors: Sequence[Mapping[str, Any]],
) -> str:
    """The words of :func:`array_vectors` into the memory, then its sums."""
    rng = np.random.default_rng(3)
    feed = _Feed(ports, latency=latency, keep=False)
    for address, word in enumerate(weights):
        feed.idle(rng, i_write=1, i_write_address=address, i_write_data=pack_word(spec, word))
    for vector in vectors:
        steps = [
            {"i_x": concatenate(np.ravel(x).tolist(), spec.activation_bits), "i_weights": address}
            for x, address in zip(vector["x"], vector["words"], strict=True)
        ]
        bits = spec.accumulator_bits
        total = {"o_sum": concatenate(np.ravel(vector["sum"]).tolist(), bits), "o_valid": 1}
        feed.sum(spec.ii, steps, concatenate(vector["bias"], bits), total, rng)
    return feed.lines(rng)


def concatenate(values: Iterable[int], bits: int) -> int:
    """Values of so many bits side by side, the first in the low bits."""
    return sum((value & (1 << bits) - 1) << i * bits for i, value in enumerate(values))


def pack_word(spec: LaneSpec, word: Ints) -> int:
    """A word of the weight memory, (P, S) levels, filter 0 in the low bits."""
    return concatenate((spec.pack(one) for one in word), spec.weight_bits)


class _Feed:
    """The inputs of a core cycle by cycle, and what its outputs must be ``latency`` cycles on.

    With ``keep`` a sum stays defined until that time after the next enabled cycle; otherwise it is
    defined where ``o_valid`` says so, which is defined always.
    """

    def __init__(self, ports: Sequence[Port], *, latency: int, keep: bool):
        self.inputs = [one for one in ports if one.is_input and one.name not in ("clk", "rst")]
        self.outputs = [one for one in ports if not one.is_input]
        self.latency = latency
        self.keep = keep
        self.cycles: list[dict[str, int]] = []
        self.biases: list[int] = []
        self.wanted: list[dict[str, int]] = [self._nothing()] * latency

    def sum(
        self, interval: int, steps: Sequence[Mapping[str, int]], bias: int,
        total: Mapping[str, int], rng: np.random.Generator,
    ) -> None:
        """A sum of these steps, with gaps before each of their cycles."""
        for k, phase in np.ndindex(len(steps), interval):
            while rng.random() < _GAPS:
                self.idle(rng)
            first, last = (k, phase) == (0, 0), (k, phase) == (len(steps) - 1, interval - 1)
            self._add({
                **self._garbage(rng), **steps[k], "i_write": 0, "i_en": 1, "i_first": int(k == 0),
                "i_last": int(last), "i_phase": phase,
            }, bias if first else 0, {**self._nothing(), **total} if last else self._nothing())

    def idle(self, rng: np.random.Generator, **values: int) -> None:
        """A cycle without the enable, and with anything else but what is said."""
        before = self.wanted[-1] if self.keep else self._nothing()
        self._add({**self._garbage(rng), "i_write": 0, "i_en": 0, **values}, 0, before)

    def lines(self, rng: np.random.Generator) -> str:
        """A line a cycle, in hexadecimal, as ``$readmemh`` reads it.

        From the low bits on: the inputs in the order of the ports, then for each output what it
        must be, and a bit that says whether to look at it.
        """
        for _ in range(self.latency):
            self.idle(rng)
        fields = list(self._fields())
        digits = -(-sum(bits for _, bits in fields[0]) // 4)
        return "".join(f"{_join(line):0{digits}x}\n" for line in fields)

    def _fields(self) -> Iterator[list[tuple[int, int]]]:
        """Value and bits of each field of a line, for each cycle."""
        delay = self.latency - 1
        biases = [0] * delay + self.biases
        for cycle, bias, wanted in zip(self.cycles, biases, self.wanted, strict=False):
            values = {**cycle, "i_bias": bias}
            line = [(values[port.name], port.bits) for port in self.inputs]
            for port in self.outputs:
                line += [(wanted.get(port.name, 0), port.bits), (int(port.name in wanted), 1)]
            yield line

    def _add(self, values: dict[str, int], bias: int, wanted: dict[str, int]) -> None:
        self.cycles.append(values)
        self.biases.append(bias)
        self.wanted.append(wanted)

    def _nothing(self) -> dict[str, int]:
        return {} if self.keep else {"o_valid": 0}

    def _garbage(self, rng: np.random.Generator) -> dict[str, int]:
        return {
            port.name: int.from_bytes(rng.bytes(port.bits // 8 + 1), "little") % (1 << port.bits)
            for port in self.inputs
        }


def _join(fields: Iterable[tuple[int, int]]) -> int:
    line = at = 0
    for value, bits in fields:
        line |= (value & (1 << bits) - 1) << at
        at += bits
    return line
