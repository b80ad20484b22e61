"""Cycles that bring the golden vectors into a core, for a bench in Verilog alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nhot_hw.core.ports import Port
from nhot_hw.lanes import LaneSpec

__all__ = ["lane_stimulus"]

_GAPS = 0.3  # of the cycles


class _Cycle(NamedTuple):
    """The ports in one cycle, the bias that is due later, and the sum that this one completes."""

    values: Mapping[str, int]
    bias: int = 0
    total: int | None = None


def lane_stimulus(
    spec: LaneSpec, ports: Sequence[Port], vectors: Sequence[Mapping[str, Any]]
) -> str:
    """A line for each cycle: whether ``o_sum`` is defined, what it is, then the inputs.

    In hexadecimal, as ``$readmemh`` reads it: the inputs in the order of ``ports`` from the low
    bits on, above them the sum, above that a bit that says whether to look at it.
    """
    rng = np.random.default_rng(3)
    cycles = list(_cycles(spec, ports, vectors, rng))
    delay = spec.latency - 1
    cycles += [_garbage(spec, ports, rng)] * spec.latency
    wanted: list[int | None] = [None] * spec.latency
    for cycle in cycles:
        wanted.append(cycle.total if cycle.values["i_en"] else wanted[-1])
    lines = []
    for t, cycle in enumerate(cycles):
        bias = cycles[t - delay].bias if t >= delay else 0
        bits, line = 0, 0
        for port in ports:
            if port.is_input and port.name not in ("clk", "rst"):
                value = {**cycle.values, "i_bias": bias}[port.name]
                line |= (value & (1 << port.bits) - 1) << bits
                bits += port.bits
        want = wanted[t]
        if want is not None:
            line |= (want & (1 << spec.accumulator_bits) - 1 | 1 << spec.accumulator_bits) << bits
        width = -(-(bits + spec.accumulator_bits + 1) // 4)
        lines.append(f"{line:0{width}x}")
    return "\n".join(lines) + "\n"


def _cycles(
    spec: LaneSpec, ports: Sequence[Port], vectors: Sequence[Mapping[str, Any]],
    rng: np.random.Generator,
) -> Iterator[_Cycle]:
    for vector in vectors:
        last = (len(vector["x"]) - 1, spec.ii - 1)
        for k, phase in np.ndindex(len(vector["x"]), spec.ii):
            while rng.random() < _GAPS:
                yield _garbage(spec, ports, rng)
            values = {
                "i_x": _concatenate(vector["x"][k], spec.activation_bits),
                "i_w": spec.pack(vector["w"][k]),
                "i_en": 1, "i_first": int(k == 0), "i_phase": phase,
            }
            begins, ends = (k, phase) == (0, 0), (k, phase) == last
            yield _Cycle(
                values, bias=vector["bias"] if begins else 0,
                total=vector["sum"] if ends else None,
            )


def _garbage(spec: LaneSpec, ports: Sequence[Port], rng: np.random.Generator) -> _Cycle:
    """A cycle without the enable, and with anything else."""
    values = {
        port.name: int.from_bytes(rng.bytes(port.bits // 8 + 1), "little") % (1 << port.bits)
        for port in ports
    }
    return _Cycle({**values, "i_en": 0, "i_phase": int(rng.integers(spec.ii))})


def _concatenate(values: Sequence[int], bits: int) -> int:
    return sum((value & (1 << bits) - 1) << i * bits for i, value in enumerate(values))
