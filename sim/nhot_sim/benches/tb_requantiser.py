"""Bench of a requantiser: random and extreme values, and the halves where rounding decides."""

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from nhot.compiler.pack import term_word
from nhot.contract.latency import REQUANT_LATENCY
from nhot.network import Requant
from nhot.network.requant import MAX_TERMS
from nhot_sim.benches.stream_ports import start
from nhot_sim.runner import bench_parameters

COUNT = 1000


def _cases(bits: int, rng: np.random.Generator) -> list[tuple[Requant, int, int]]:
    """Requantisations with a value and a bias each, all within ``bits`` signed bits."""
    limit = 1 << (bits - 1)
    cases = []
    for _ in range(COUNT):
        scale = float(rng.choice([-1, 1]) * 2.0 ** rng.uniform(-14, 2))
        low, high = sorted(int(v) for v in rng.integers(-128, 128, 2))
        zero_point = int(rng.choice([-128, -5, 0, 127]))
        requant = Requant.from_scale(scale, zero_point=zero_point, low=low, high=high)
        value = rng.choice([
            -limit, limit - 1, 0, int(rng.integers(-limit, limit)),
            int(np.clip((rng.integers(-99, 99) + 0.5) / abs(scale), -limit, limit - 1)),
        ])
        bias = int(np.clip(rng.integers(-limit, limit), -limit - value, limit - 1 - value))
        cases.append((requant, int(value), bias))
    return cases


@cocotb.test()
async def equals_the_reference(dut: Any) -> None:
    """A value as often as its terms allow, with garbage on all that is not asked for."""
    parameters = bench_parameters()
    rng = np.random.default_rng(parameters["seed"])
    bits, at_once = parameters["accumulator_bits"], parameters["requant_terms"]
    latency = REQUANT_LATENCY[at_once]
    for port in (dut.i_take, dut.i_fresh):
        port.value = 0
    await start(dut)
    for requant, value, bias in _cases(bits, rng):
        dut.i_zero_point.value = requant.zero_point & 0xFF
        dut.i_low.value = requant.low & 0xFF
        dut.i_high.value = requant.high & 0xFF
        dut.i_value.value = value & ((1 << bits) - 1)
        dut.i_bias.value = bias & 0xFFFF_FFFF
        dut.i_terms.value = term_word(int(requant.multiplier[0]))
        dut.i_take.value = 1
        await RisingEdge(dut.clk)
        dut.i_take.value = 0
        for cycle in range(2, latency.byte + MAX_TERMS // at_once):
            dut.i_value.value = int(rng.integers(0, 1 << bits))
            dut.i_bias.value = int(rng.integers(0, 1 << 32))
            dut.i_terms.value = int(rng.integers(0, 1 << 32))
            dut.i_fresh.value = int(cycle == latency.product)
            await RisingEdge(dut.clk)
        got, want = dut.o_y.value.to_signed(), requant.compute([value + bias]).item()
        assert got == want, f"{value} + {bias} with {requant} must give {want}, not {got}"
