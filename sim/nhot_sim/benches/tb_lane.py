"""Bench of a lane: every weight, every activation, random gaps, on the generated Verilog."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge

from nhot.formats import parse
from nhot_hw.lanes import LaneSpec
from nhot_sim.benches.lane_traffic import Cycle, Sum, expected, random_sums, traffic
from nhot_sim.benches.stream_ports import start
from nhot_sim.runner import bench_parameters

MAX_PAIRS = 1 << 16


class Bench:
    """Clock, reset, and cycle-by-cycle comparison of one lane."""

    def __init__(self, dut: Any):
        self.dut = dut
        parameters = bench_parameters()
        self.spec = LaneSpec(
            format=parse(parameters["format"]), inputs=parameters["inputs"],
            style=parameters["style"],
        )
        self.rng = np.random.default_rng(parameters["seed"])

    async def run(self, sums: Iterator[Sum], *, gaps: float) -> None:
        """Feed ``sums`` and compare ``o_sum`` in each cycle in which it is defined."""
        cycles = list(traffic(self.spec, sums, self.rng, gaps=gaps))
        cycles += [_idle(self.spec)] * self.spec.latency
        await self._reset()
        for t, (cycle, want) in enumerate(zip(cycles, expected(self.spec, cycles), strict=False)):
            self._drive(cycle)
            if want is not None:
                got = self.dut.o_sum.value.to_signed()
                assert got == want, f"Sum in cycle {t} must be {want}, not {got}"
            await FallingEdge(self.dut.clk)

    async def _reset(self) -> None:
        self._drive(_idle(self.spec))
        await start(self.dut)
        await FallingEdge(self.dut.clk)

    def _drive(self, cycle: Cycle) -> None:
        bits = self.spec.activation_bits
        self.dut.i_x.value = sum((x & (1 << bits) - 1) << i * bits for i, x in enumerate(cycle.x))
        self.dut.i_w.value = cycle.w
        self.dut.i_en.value = int(cycle.enable)
        self.dut.i_first.value = int(cycle.first)
        self.dut.i_phase.value = cycle.phase


@cocotb.test()
async def every_weight(dut: Any) -> None:
    """Each input multiplies each weight with each activation, or with the extremes if too many."""
    bench = Bench(dut)
    await bench.run(_every_pair(bench.spec, bench.rng), gaps=0.05)


@cocotb.test()
async def long_sums(dut: Any) -> None:
    """Random sums of many steps, half of the cycles idle."""
    bench = Bench(dut)
    await bench.run(random_sums(bench.spec, bench.rng, count=30, steps=20), gaps=0.5)


def _every_pair(spec: LaneSpec, rng: np.random.Generator) -> Iterator[Sum]:
    low, high = spec.activation_range
    levels = spec.format.levels
    activations = np.arange(low, high + 1)
    if bench_parameters()["extremes"] or len(levels) * len(activations) >= MAX_PAIRS:
        activations = np.array([low, low + 1, -1, 0, 1, high - 1, high])
    signs = (1,)
    if spec.format.sign_codes:  # all weights of a step have it
        levels, signs = levels[levels >= 0], (1, -1)
    pairs = np.array(np.meshgrid(activations, levels)).reshape(2, -1)
    # Each input sees all pairs, in an order of its own: what is wrong in one does not cancel out.
    x, w = np.stack([rng.permutation(pairs.T) for _ in range(spec.inputs)], axis=-1).swapaxes(0, 1)
    for k, sign in product(range(pairs.shape[1]), signs):
        yield x[k:k + 1], sign * w[k:k + 1]


def _idle(spec: LaneSpec) -> Cycle:
    return Cycle(x=(0,) * spec.inputs, w=0, enable=False, first=False, phase=0)
