"""Bench of a memory with a single port: random reads and writes of some bytes, against a dict."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge
from cocotb.types import LogicArray

from nhot_sim.benches.stream_ports import start
from nhot_sim.runner import bench_parameters

ACCESSES = 600


@cocotb.test()
async def a_word_is_read_as_it_was_written(dut: Any) -> None:
    """Of words that were written whole once: what they hold before, no one may count on."""
    parameters = bench_parameters()
    size, depth = parameters["bytes"], parameters["depth"]
    rng = np.random.default_rng(parameters["seed"])
    places = sorted({0, depth - 1, *map(int, rng.integers(0, depth, 14))})
    held: dict[int, bytearray] = {}
    dut.i_write.value = 0
    dut.i_address.value = 0
    await start(dut)
    for step in range(ACCESSES):
        fresh = step < len(places)
        address = places[step] if fresh else int(rng.choice(places))
        writes = fresh or rng.random() < 0.4
        enable = (1 << size) - 1 if fresh else int(rng.integers(1, 1 << size))
        word = rng.bytes(size)
        dut.i_address.value = address
        dut.i_write.value = enable if writes else 0
        dut.i_data.value = int.from_bytes(word, "little")
        await RisingEdge(dut.clk)
        if writes:
            old = held.setdefault(address, bytearray(size))
            for i in range(size):
                if enable >> i & 1:
                    old[i] = word[i]
            continue
        dut.i_write.value = 0
        await FallingEdge(dut.clk)
        want = LogicArray.from_bytes(held[address], byteorder="little")
        got = dut.o_data.value
        assert got == want, f"Word {address} must be {want}, not {got}"
        await RisingEdge(dut.clk)
