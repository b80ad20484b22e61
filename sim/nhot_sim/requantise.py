"""A requantiser in Amaranth's simulator, value by value."""

from collections.abc import Sequence

from amaranth.sim import Simulator

from nhot.compiler.pack import term_word
from nhot.contract.config import EngineConfig
from nhot.contract.latency import REQUANT_LATENCY
from nhot.network import Requant
from nhot.network.requant import MAX_TERMS
from nhot_hw.engine.requantiser import Requantiser

__all__ = ["requantise"]


def requantise(
    config: EngineConfig, cases: Sequence[tuple[Requant, int, int]]
) -> list[int]:
    """What the gateware makes of each (requantisation of one channel, value, bias)."""
    dut = Requantiser(config)
    latency = REQUANT_LATENCY[config.requant_terms]
    results = []

    async def bench(ctx):
        for requant, value, bias in cases:
            ctx.set(dut.i_zero_point, requant.zero_point)
            ctx.set(dut.i_low, requant.low)
            ctx.set(dut.i_high, requant.high)
            ctx.set(dut.i_value, value)
            ctx.set(dut.i_bias, bias)
            ctx.set(dut.i_terms.as_value(), term_word(int(requant.multiplier[0])))
            ctx.set(dut.i_take, 1)
            await ctx.tick()
            ctx.set(dut.i_take, 0)
            for cycle in range(2, latency.byte + MAX_TERMS // config.requant_terms - 1):
                ctx.set(dut.i_fresh, cycle == latency.product)
                await ctx.tick()
            results.append(ctx.get(dut.o_y))

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    return results
