# amaranth: UnusedElaboratable=no
"""An engine on a bus as a user has it: its benches, and that they notice what is wrong."""

import re

import pytest
from amaranth.hdl import Const, Signal

from nhot.contract.config import EngineConfig
from nhot.files import write_folder
from nhot_hw.buses.adapter import BusAdapter
from nhot_hw.buses.axi import AxiLiteFront
from nhot_hw.buses.job import JobSequencer
from nhot_hw.buses.mover import Mover
from nhot_hw.buses.packer import Packer
from nhot_hw.buses.registers import Register
from nhot_hw.core import BusProduct

SMALL = EngineConfig(
    filters=1, inputs=1, activation_words=64, weight_words=64, requant_words=16, program_words=64
)
ODD = EngineConfig(  # words of 3 and of 5 bytes
    format="3hot", lane="serial", pixels=2, filters=3, inputs=3, requantisers=3,
    activation_words=128, weight_words=64, requant_words=32, program_words=64,
)
REGIONS = EngineConfig(format="signed-binary/8", pixels=2, filters=4, inputs=8, requantisers=4)
BUSES = ("axi", "wishbone")
TESTS = 9


def folder_of(tmp_path, bus, config=SMALL, **options):
    one = BusProduct(config, bus, name="engine_on_bus", **options)
    write_folder(tmp_path / "X", one.files())
    return tmp_path / "X"


@pytest.mark.parametrize("bus", BUSES)
def test_make_passes_without_nhot(tmp_path, user, bus):
    done = user.make(folder_of(tmp_path, bus, buffer=8))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert f"TESTS={TESTS} PASS={TESTS} FAIL=0 SKIP=0" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("buffer", [1, 2, 200])
@pytest.mark.parametrize("family", ["portable", "ecp5"])
@pytest.mark.parametrize("config", [ODD, REGIONS], ids=["odd", "regions"])
@pytest.mark.parametrize("bus", BUSES)
def test_make_passes_on_others(tmp_path, user, bus, config, family, buffer):
    done = user.make(folder_of(tmp_path, bus, config, family=family, buffer=buffer))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert f"TESTS={TESTS} PASS={TESTS} FAIL=0 SKIP=0" in done.stdout


@pytest.mark.parametrize("bus", ["axi", pytest.param("wishbone", marks=pytest.mark.slow)])
def test_fusesoc_lints_and_simulates(tmp_path, user, bus):
    folder = folder_of(tmp_path, bus)
    for target in ("lint", "sim"):
        done = user.fusesoc(folder, "engine_on_bus", target)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "jobs as they must be" in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("config", [ODD, REGIONS], ids=["odd", "regions"])
@pytest.mark.parametrize("bus", BUSES)
def test_fusesoc_lints_and_simulates_others(tmp_path, user, bus, config):
    folder = folder_of(tmp_path, bus, config, buffer=64)
    for target in ("lint", "sim"):
        done = user.fusesoc(folder, "engine_on_bus", target)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def no_bounds(monkeypatch):
    monkeypatch.setattr(Mover, "_fits", lambda self, move: Const(1, 1))


def one_word_too_many(monkeypatch):
    """A word behind the end of a memory is let in."""
    table = Mover._table
    monkeypatch.setattr(Mover, "_table", staticmethod(lambda region, values: (
        table(region, values) + (max(values.values()) >= 16)
    )))


def no_errors(monkeypatch):
    """Every access is answered as if it had been done."""
    change(monkeypatch, BusAdapter, lambda self: self.bus.error.eq(0))


def any_part(monkeypatch):
    """A byte is written as if it were a word."""
    change(monkeypatch, AxiLiteFront, lambda self: self.bus.whole.eq(1))


def in_turns(monkeypatch):
    """A read takes the bus from a write that waits."""
    mux = AxiLiteFront.elaborate.__globals__["Mux"]

    def changed(select, one, other):
        return other if getattr(select, "name", "") == "waits" else mux(select, one, other)

    monkeypatch.setitem(AxiLiteFront.elaborate.__globals__, "Mux", changed)


def impatient(monkeypatch):
    """A word of output is not offered in every cycle until it is taken."""
    before = Packer.elaborate

    def elaborate(self, platform):
        m = before(self, platform)
        late = Signal()
        m.d.sync += late.eq(self.o.valid)
        with m.If(late):
            m.d.comb += self.o.valid.eq(0)
        return m

    monkeypatch.setattr(Packer, "elaborate", elaborate)


def no_order(monkeypatch):
    """Nobody sees that a job is under way."""
    change(monkeypatch, JobSequencer, lambda self: self.o_running.eq(0))


def leftovers(monkeypatch):
    """CLEAR leaves in the buffer what is there."""
    inserter = BusAdapter.elaborate.__globals__["ResetInserter"]

    def changed(clear):
        reset = inserter(clear)
        return lambda part: part if type(part).__name__ == "SyncFIFOBuffered" else reset(part)

    monkeypatch.setitem(BusAdapter.elaborate.__globals__, "ResetInserter", changed)


def no_faults(monkeypatch):
    """A run that was broken off is taken for one that came to its end."""
    change(monkeypatch, BusAdapter, lambda self: self._job.i_fault.eq(0))


def half_words(monkeypatch):
    """Bytes of input come in the order of a big-endian word."""
    change(monkeypatch, BusAdapter, lambda self: self._mover.i_word.eq(
        self._queue.r_data.rotate_left(8)
    ))


def always_room(monkeypatch):
    """ROOM does not say what waits in the buffer."""
    names = BusAdapter.elaborate.__globals__
    word_of = names["word_of"]

    def changed(register, **fields):
        return word_of(register, **fields | ({"words": 8} if register == Register.ROOM else {}))

    monkeypatch.setitem(names, "word_of", changed)


def change(monkeypatch, kind, *statements):
    """Let these have the last word about the signals of a component."""
    before = kind.elaborate

    def elaborate(self, platform):
        m = before(self, platform)
        for statement in statements:
            m.d.comb += statement(self)
        return m

    monkeypatch.setattr(kind, "elaborate", elaborate)


FAULTS = [
    ("axi", "refusals", no_bounds), ("wishbone", "refusals", one_word_too_many),
    ("wishbone", "identity", no_errors), ("axi", "identity", any_part),
    ("axi", "abreast", in_turns), ("axi", "stalls", impatient),
    ("wishbone", "one_at_a_time", no_order), ("axi", "cleared", leftovers),
    ("wishbone", "limit", no_faults), ("wishbone", "golden", half_words),
    ("axi", "ahead", always_room),
]
QUICK = (always_room,)


@pytest.mark.parametrize(("bus", "test", "fault"), [
    pytest.param(bus, test, fault, id=fault.__name__,
                 marks=[] if fault in QUICK else [pytest.mark.slow])
    for bus, test, fault in FAULTS
])
def test_bench_notices_a_fault(tmp_path, user, monkeypatch, bus, test, fault):
    fault(monkeypatch)
    done = user.make(folder_of(tmp_path, bus, buffer=8), COCOTB_TEST_FILTER=rf"\.{test}$")
    assert done.returncode, "the bench must fail"
    assert "TESTS=1 PASS=0 FAIL=1" in done.stdout, done.stdout[-3000:] + done.stderr


def test_every_test_of_the_bench_has_a_fault(tmp_path):
    text = (folder_of(tmp_path, "axi") / "bench.py").read_text(encoding="utf-8")
    tests = set(re.findall(r"@cocotb\.test\(\)\nasync def (\w+)", text))
    assert len(tests) == TESTS
    assert tests == {test for _, test, _ in FAULTS}


def test_session_notices_a_fault(tmp_path, user, monkeypatch):
    half_words(monkeypatch)
    done = user.fusesoc(folder_of(tmp_path, "wishbone"), "engine_on_bus", "sim")
    assert done.returncode
    assert "Word of step" in done.stdout + done.stderr
