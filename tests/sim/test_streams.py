"""The stream helpers against a register that obeys the rules, and against streams that break them.

The cocotb halves run in test_runner.py.
"""

import random

import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from nhot_sim.streams import get, get_all, monitor, put, put_all, simulate


class Register(wiring.Component):
    """One stage that holds a payload until it is taken."""

    i: In(stream.Signature(signed(8)))
    o: Out(stream.Signature(signed(8)))

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.i.ready.eq(self.o.ready | ~self.o.valid)
        with m.If(self.i.ready):
            m.d.sync += [self.o.valid.eq(self.i.valid), self.o.payload.eq(self.i.payload)]
        return m


class Unstable(wiring.Component):
    """Offers a payload that changes, or withdraws it, whether it is taken or not."""

    o: Out(stream.Signature(8))

    def __init__(self, *, withdraws):
        self.withdraws = withdraws
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        count = Signal(8)
        m.d.sync += count.eq(count + 1)
        m.d.comb += self.o.payload.eq(0x5a if self.withdraws else count)
        m.d.comb += self.o.valid.eq(~count[0] if self.withdraws else 1)
        return m


def run(dut, payloads, *, put_pause=0.0, get_pause=0.0, seed=0):
    taken = []

    async def write(ctx):
        await put_all(ctx, dut.i, payloads, pause=put_pause, seed=seed)

    async def read(ctx):
        taken.extend(
            await get_all(ctx, dut.o, len(payloads), pause=get_pause, seed=seed + 1)
        )

    simulate(dut, write, read, background=[monitor(dut.o)])
    return taken


@pytest.mark.parametrize("put_pause", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("get_pause", [0.0, 0.3, 0.9])
def test_every_payload_arrives_once_in_order(put_pause, get_pause):
    payloads = [random.Random(5).randrange(-128, 128) for _ in range(40)] + [-128, 127, 0, -1]
    assert run(Register(), payloads, put_pause=put_pause, get_pause=get_pause) == payloads


def test_put_and_get_take_one_payload():
    dut = Register()

    async def write(ctx):
        await put(ctx, dut.i, -5)
        assert not ctx.get(dut.i.valid)

    async def read(ctx):
        assert await get(ctx, dut.o) == -5
        assert not ctx.get(dut.o.ready)

    simulate(dut, write, read)


def test_payload_is_garbage_without_valid():
    dut = Register()
    idle = []

    async def write(ctx):
        await put_all(ctx, dut.i, [1] * 20, pause=0.8, seed=3)

    async def watch(ctx):
        while True:
            _, _, valid, payload = await ctx.tick().sample(dut.i.valid, dut.i.payload)
            if not valid:
                idle.append(payload)

    async def read(ctx):
        await get_all(ctx, dut.o, 20)

    simulate(dut, write, read, background=[watch])
    assert len(set(idle)) > 20


def test_structured_payloads():
    layout = data.StructLayout({"level": signed(4), "last": 1})

    class Wire(wiring.Component):
        i: In(stream.Signature(layout))
        o: Out(stream.Signature(layout))

        def elaborate(self, platform):
            m = Module()
            wiring.connect(m, wiring.flipped(self.i), wiring.flipped(self.o))
            return m

    payloads = [{"level": level, "last": level & 1} for level in range(-8, 8)]
    taken = run(Wire(), payloads, put_pause=0.5, get_pause=0.5)
    assert [{"level": one.level, "last": one.last} for one in taken] == payloads


@pytest.mark.parametrize(
    ("withdraws", "text"), [(True, "not withdraw it"), (False, "not change it to 0x")]
)
def test_monitor_sees_a_broken_promise(withdraws, text):
    dut = Unstable(withdraws=withdraws)

    async def wait(ctx):
        for _ in range(10):
            await ctx.tick()

    with pytest.raises(AssertionError, match=f"weights must offer 0x.* until ready, {text}"):
        simulate(dut, wait, background=[monitor(dut.o, "weights")])


def test_simulation_that_hangs_is_an_error():
    dut = Register()

    async def read(ctx):
        await get(ctx, dut.o)

    with pytest.raises(AssertionError, match="must end within 50 cycles"):
        simulate(dut, read, patience=50)


def test_trace_is_written(tmp_path):
    dut = Register()

    async def write(ctx):
        await put(ctx, dut.i, 1)

    simulate(dut, write, trace=tmp_path / "run.vcd")
    assert "$enddefinitions" in (tmp_path / "run.vcd").read_text(encoding="utf-8")
