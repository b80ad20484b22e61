"""A memory of words, whose addresses may wait in registers, one for each half of a wide word."""

import random

import pytest
from amaranth.back import rtlil

from nhot_hw.build.tools import run_tool
from nhot_hw.engine.memories import WordMemory
from nhot_sim.streams import simulate

SHAPES = [
    {"width": 512, "depth": 1040, "waits": 2}, {"width": 511, "depth": 64, "waits": 1},
    {"width": 16, "depth": 50, "waits": 2}, {"width": 300, "depth": 1040},
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(map(str, shape.values())))
def test_every_word_is_read_when_its_address_has_waited(shape):
    source = random.Random(1)
    depth, waits = shape["depth"], shape.get("waits", 0)
    words = [source.getrandbits(shape["width"]) for _ in range(depth)]
    dut = WordMemory(**shape, init=words[: depth // 2])
    asked = []

    async def bench(ctx):
        for at in range(depth // 2, depth):
            ctx.set(dut.i_write_address, at)
            ctx.set(dut.i_write_data, words[at])
            for write in (1, 0):  # the data of a wide word must stay
                ctx.set(dut.i_write, write)
                await ctx.tick()
        for _ in range(400):
            asked.append(source.randrange(depth))
            ctx.set(dut.i_address, asked[-1])
            await ctx.tick()
            if len(asked) > waits:
                assert ctx.get(dut.o_word) == words[asked[-1 - waits]]
        assert [ctx.get(dut.row(at)) for at in range(depth)] == words

    simulate(dut, bench)


def test_synthesis_keeps_a_register_for_each_half_of_a_wide_word(tmp_path):
    """It makes one of registers that are always equal, and its way to all blocks is long."""
    (tmp_path / "top.il").write_text(
        rtlil.convert(WordMemory(width=512, depth=64, waits=2)), encoding="utf-8")
    script = ("read_rtlil top.il; synth_ecp5 -top top; "
              "tee -o count.txt select -count t:TRELLIS_FF r:REGSET=SET %i")
    run_tool("yosys", ["-q", "-p", script], folder=tmp_path, log=tmp_path / "log", what="Synthesis")
    count = int((tmp_path / "count.txt").read_text(encoding="utf-8").split()[0])
    assert count == (64 - 1).bit_length()  # of the second half, which begins with ones
