"""Bench of the array: every pixel and filter at once, with gaps between steps and phases."""

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge

from nhot.contract.config import EngineConfig
from nhot.testing.networks import random_steps
from nhot_hw.lanes import for_config
from nhot_sim.benches.stream_ports import start
from nhot_sim.runner import bench_parameters

SUMS = 30
LONGEST = 12


class Bench:
    """Drives steps into the array and knows what its lanes should hold."""

    def __init__(self, dut: Any):
        parameters = bench_parameters()
        self.dut = dut
        self.config = EngineConfig(**parameters["config"])
        self.lane = for_config(self.config)
        self.rng = np.random.default_rng(parameters["seed"])

    async def sum(self, length: int) -> None:
        """One sum of ``length`` steps in every lane, then compare all of them."""
        config = self.config
        x = self.rng.choice(
            [-128, 127, *self.rng.integers(-128, 128, 6)], (length, config.pixels, config.inputs)
        )
        w = random_steps(
            self.rng, config.weight_format, (length, config.filters, config.inputs)
        )
        for step in range(length):
            for phase in range(self.lane.ii):
                while self.rng.random() < 0.3:
                    await self._idle()
                await self._step(x[step], w[step], step == 0, phase)
        for _ in range(self.config.array_latency - 1):
            await self._idle()
        await FallingEdge(self.dut.clk)
        self._compare(x, w)
        await RisingEdge(self.dut.clk)

    async def _step(self, x: Any, w: Any, first: bool, phase: int) -> None:
        bits = self.config.weight_format.field_bits
        fields = self.config.weight_format.to_fields(w).reshape(-1)
        self.dut.i_x.value = int.from_bytes(x.astype(np.int8).tobytes(), "little")
        self.dut.i_w.value = sum(int(field) << (i * bits) for i, field in enumerate(fields))
        self.dut.i_en.value = 1
        self.dut.i_first.value = int(first)
        self.dut.i_phase.value = phase
        await RisingEdge(self.dut.clk)
        self._garbage()

    async def _idle(self) -> None:
        self._garbage()
        await RisingEdge(self.dut.clk)

    def _garbage(self) -> None:
        self.dut.i_en.value = 0
        for port in (self.dut.i_x, self.dut.i_w, self.dut.i_first, self.dut.i_phase):
            port.value = int.from_bytes(self.rng.bytes(len(port) // 8 + 1), "little") % (
                1 << len(port)
            )

    def _compare(self, x: Any, w: Any) -> None:
        bits = self.config.accumulator_bits
        word = int(self.dut.o_sum.value)
        for t in range(self.config.pixels):
            for p in range(self.config.filters):
                lane = t * self.config.filters + p
                got = word >> (lane * bits) & ((1 << bits) - 1)
                want = self.lane.compute(x[:, t], w[:, p])
                assert got == want & ((1 << bits) - 1), (
                    f"Sum of pixel {t}, filter {p} must be {want}, not {got:#x}"
                )


@cocotb.test()
async def every_lane_equals_its_reference(dut: Any) -> None:
    """Sums of one step to many, each followed by the next without a reset between."""
    bench = Bench(dut)
    dut.i_en.value = 0
    await start(dut)
    for _ in range(SUMS):
        await bench.sum(int(bench.rng.integers(1, LONGEST)))
