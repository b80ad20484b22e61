# amaranth: UnusedElaboratable=no
"""Both kinds of stream drivers pause on both sides and put garbage on a payload without valid.

Each fault here shows only if they do: without pauses the same stages pass.
"""

import numpy as np
import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from nhot_sim.runner import run_bench
from nhot_sim.streams import get_all, monitor, put_all, simulate

PAYLOADS = np.random.default_rng(8).integers(-128, 128, 60).tolist()


class Stage(wiring.Component):
    """A register with a fault, or none.

    Parameters
    ----------
    fault : str
        ``ready``: goes on whether its payload is taken or not. ``valid``: takes whatever is offered
        from the first payload on. ``payload``: while its payload waits, it takes over that of an
        input that offers nothing.
    """

    i: In(stream.Signature(signed(8)))
    o: Out(stream.Signature(signed(8)))

    def __init__(self, fault):
        self.fault = fault
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        started = Signal()
        m.d.sync += started.eq(started | self.i.valid)
        valid = self.i.valid | started if self.fault == "valid" else self.i.valid
        room = 1 if self.fault == "ready" else self.o.ready | ~self.o.valid
        m.d.comb += self.i.ready.eq(room)
        with m.If(self.i.ready):
            m.d.sync += [self.o.valid.eq(valid), self.o.payload.eq(self.i.payload)]
        if self.fault == "payload":
            with m.Elif(~self.i.valid):
                m.d.sync += self.o.payload.eq(self.i.payload)
        return m


def in_amaranth(fault, put_pause, get_pause, folder):
    """Pass PAYLOADS through a stage, by Amaranth's drivers."""
    dut = Stage(fault)

    async def write(ctx):
        await put_all(ctx, dut.i, PAYLOADS, pause=put_pause, seed=2)

    async def read(ctx):
        taken = await get_all(ctx, dut.o, len(PAYLOADS), pause=get_pause, seed=3)
        assert taken == PAYLOADS

    simulate(dut, write, read, background=[monitor(dut.o, "o")])


def in_cocotb(fault, put_pause, get_pause, folder):
    """The same by cocotb's."""
    run_bench(
        Stage(fault), "nhot_sim.benches.tb_streams", build_dir=folder,
        parameters={"payloads": PAYLOADS, "put_pause": put_pause, "get_pause": get_pause},
    )


BOTH = pytest.mark.parametrize("pass_through", [in_amaranth, in_cocotb])


@BOTH
@pytest.mark.parametrize("fault", ["ready", "valid", "payload"])
def test_without_pauses_nothing_is_noticed(pass_through, fault, tmp_path):
    pass_through(fault, 0, 0, tmp_path)


@BOTH
@pytest.mark.parametrize(("fault", "put_pause", "get_pause", "message"), [
    ("ready", 0, 0.4, "o must offer -?0x.* until ready"),
    ("valid", 0.4, 0, "assert (taken == )?\\["),
    ("payload", 0.6, 0.6, "o must offer -?0x.* until ready, not change it"),
])
def test_pauses_and_garbage_show_it(
    pass_through, fault, put_pause, get_pause, message, tmp_path
):
    with pytest.raises(AssertionError, match=message):
        pass_through(fault, put_pause, get_pause, tmp_path)


@BOTH
def test_a_sound_stage_passes_with_pauses(pass_through, tmp_path):
    pass_through(None, 0.6, 0.6, tmp_path)
