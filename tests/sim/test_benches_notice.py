# amaranth: UnusedElaboratable=no
"""Every bench fails, and says why, when what it checks is wrong."""

import ast
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.memory import MemoryData
from amaranth.lib.wiring import In, Out

import nhot_sim
from nhot.compiler import compile_network
from nhot.contract.program import Region
from nhot.formats import parse
from nhot.network.reference import run
from nhot.testing.networks import random_input, random_network
from nhot_hw.engine import Engine
from nhot_hw.engine.array import array_for
from nhot_hw.engine.requantiser import Requantiser
from nhot_hw.engine.single_port import SinglePortMemory
from nhot_hw.io import Top
from nhot_hw.lanes import LaneSpec
from nhot_sim.benches.linked_memory import LinkedMemory
from nhot_sim.benches.tb_flash import ADDRESS
from nhot_sim.planted import SMALL, Damaged, stuck
from nhot_sim.runner import run_bench


def top_bit(value):
    """Turn over the highest bit: of the last lane, where there are many."""
    return value ^ (1 << len(value) - 1)


def cut(value):
    return 0


class Register(wiring.Component):
    """One stage of a stream."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.i.ready.eq(self.o.ready | ~self.o.valid)
        with m.If(self.i.ready):
            m.d.sync += [self.o.valid.eq(self.i.valid), self.o.payload.eq(self.i.payload)]
        return m


class OtherTarget(LinkedMemory):
    """Answers HELLO as another board than the model."""

    TARGET_ID = LinkedMemory.TARGET_ID ^ 1


class OtherCycles(LinkedMemory):
    """Answers STATUS with another run than the model's."""

    CYCLES = LinkedMemory.CYCLES ^ 1


class OtherMemory(LinkedMemory):
    """Holds what nobody wrote, in the last byte of each region: not all of them are written."""

    def __init__(self, **options):
        super().__init__(**options)
        init = ([0] * 255 + [1]) * len(Region)
        self._memory = MemoryData(shape=8, depth=self._memory.depth, init=init)


class NarrowMemory(LinkedMemory):
    """Forgets the highest bit of each byte."""

    def __init__(self, **options):
        super().__init__(**options)
        self._memory = MemoryData(shape=7, depth=self._memory.depth, init=[])


def _files(folder, *, place=None):
    """A small network compiled, and a reference that is off by one at ``place`` of its output."""
    network = random_network(3, layers=1, shape=(5, 5, 2), operators=("conv",), widest=2)
    (folder / "net.img").write_bytes(compile_network(network, SMALL).to_bytes())
    wanted = run(network, random_input(network.input, 1, 3), trace=True)
    if place is not None:
        wanted[network.output.name].reshape(-1)[place] ^= 1
    np.savez(folder / "wanted.npz", **wanted)
    return {"image": str(folder / "net.img"), "wanted": str(folder / "wanted.npz"), "seed": 1}


def _lane(folder):
    spec = LaneSpec(format=parse("2hot"), inputs=1, style="parallel")
    return Damaged(spec.create(), "o_sum"), {
        "format": "2hot", "inputs": 1, "style": "parallel", "seed": 1, "extremes": True,
    }


def _array(change):
    return lambda folder: (
        Damaged(array_for(SMALL), "o_sum", change=change), {"config": asdict(SMALL), "seed": 3}
    )


def _requantiser(folder):
    return Damaged(Requantiser(SMALL), "o_y"), {
        "accumulator_bits": SMALL.accumulator_bits, "requant_terms": SMALL.requant_terms, "seed": 4,
    }


def _top(folder):
    top = Top(SMALL, clock_hz=4_000_000, baud=1_000_000)
    return top, {**_files(folder, place=-1), "divisor": 4, "count": 0}


def _flash(*part, address=ADDRESS, **change):
    """A top that loads itself, with a fault in what does it."""
    def make(folder):
        top = Top(SMALL, clock_hz=1_000_000, baud=250_000, flash_address=address)
        boot = top._link._boot
        if part == ("crc",):
            boot._crc = Damaged(boot._crc, "o_match", **change)
        elif part:
            top._link._boot = Damaged(boot, *part, **change)
        return top, {**_files(folder), "divisor": 4, "seed": 5, "count": 0}

    return make


def _reference(place):
    return lambda folder: (Engine(SMALL), {**_files(folder, place=place), "pause": 0.0})


def _engine(*path, pause=0.0, **change):
    return lambda folder: (
        Damaged(Engine(SMALL), *path, **change), {**_files(folder), "pause": pause}
    )


def _link(board):
    return lambda folder: (board(divisor=4), {"divisor": 4, "seed": 4, "count": 15})


def _single_port(folder):
    memory = Damaged(SinglePortMemory(width=24, depth=100), "i_write", change=top_bit)
    return memory, {"bytes": 3, "depth": 100, "seed": 5}


def _stream(folder):
    return Damaged(Register(), "o", "payload"), {"payloads": [1, 2], "put_pause": 0, "get_pause": 0}


@dataclass(frozen=True)
class Fault:
    """A fault, the test of the bench that must see it, and what it must say."""

    bench: str
    test: str
    make: Callable
    message: str


LAYERS, RESET = "layers_equal_reference", "reset_keeps_the_weights"
ANSWERS = "answers_and_memory_are_the_models"
FAULTS = {
    "lane, pairs": Fault("tb_lane", "every_weight", _lane, r"Sum in cycle \d+ must be"),
    "lane, sums": Fault("tb_lane", "long_sums", _lane, r"Sum in cycle \d+ must be"),
    "array, first lane": Fault(
        "tb_array", "every_lane_equals_its_reference", _array(lambda value: value ^ 1),
        "Sum of pixel 0, filter 0 must be",
    ),
    "array, last lane": Fault(
        "tb_array", "every_lane_equals_its_reference", _array(top_bit),
        "Sum of pixel 1, filter 1 must be",
    ),
    "requantiser": Fault(
        "tb_requantiser", "equals_the_reference", _requantiser, r"must give -?\d+, not"
    ),
    "top": Fault("tb_top", "network_runs_over_the_wire", _top, "Arrays are not equal"),
    "flash, elsewhere": Fault(
        "tb_flash", "network_loads_itself_and_runs", _flash(address=ADDRESS + 1),
        r"boot\(\) == Boot.LOADED",
    ),
    "flash, no checksum": Fault(
        "tb_flash", "other_records_change_nothing", _flash("crc", change=stuck),
        r"AssertionError: bit \d+",
    ),
    "flash, no answers": Fault(
        "tb_flash", "a_flash_that_fails_between_the_passes", _flash("i_answered", change=stuck),
        "AssertionError: a bit",
    ),
    "engine, first value": Fault("tb_engine", LAYERS, _reference(0), "must be .* in the Verilog"),
    "engine, last value": Fault("tb_engine", LAYERS, _reference(-1), "must be .* in the Verilog"),
    "engine, cycles": Fault(
        "tb_engine", LAYERS, _engine("host", "cycles"), r"Run must take \d+ cycles, not"
    ),
    "engine, no start": Fault(
        "tb_engine", LAYERS, _engine("host", "start", change=cut), "Engine must be busy"
    ),
    "engine, no end": Fault(
        "tb_engine", LAYERS, _engine("host", "busy", change=stuck),
        r"Run must end within \d+ cycles",
    ),
    "engine, deaf to ready": Fault(
        "tb_engine", LAYERS, _engine("host", "read", "ready", change=stuck, pause=0.4),
        "host__read must offer 0x.* until ready",
    ),
    "engine, no reset": Fault(
        "tb_engine", RESET, _engine("host", "reset", change=cut), "assert dut.host__busy.value == 0"
    ),
    "engine, weights": Fault(
        "tb_engine", RESET, _engine("host", "read", "payload"), "Arrays are not equal"
    ),
    "link, answer": Fault("tb_link", ANSWERS, _link(OtherTarget), r"quiet\(\) == expected"),
    "link, bytes": Fault("tb_link", ANSWERS, _link(NarrowMemory), r"payload == bytes\(model"),
    "link, memory": Fault("tb_link", ANSWERS, _link(OtherMemory), r"payload == bytes\(model"),
    "link, overflow": Fault(
        "tb_link", "an_overflow_loses_frames_and_nothing_else", _link(NarrowMemory),
        "assert answer.payload == content",
    ),
    "link, after garbage": Fault(
        "tb_link", "garbage_does_not_wedge_it", _link(OtherCycles), r"== model.answer\(request\)"
    ),
    "memory, enable": Fault(
        "tb_single_port", "a_word_is_read_as_it_was_written", _single_port,
        r"Word \d+ must be [01]+, not",
    ),
    "stream": Fault(
        "tb_streams", "every_payload_arrives_once_in_order", _stream, "assert taken =="
    ),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_bench_notices(fault, tmp_path):
    component, parameters = fault.make(tmp_path)
    with pytest.raises(AssertionError, match=fault.message):
        run_bench(
            component, f"nhot_sim.benches.{fault.bench}", build_dir=tmp_path / "bench", name="dut",
            testcase=fault.test, parameters=parameters,
        )


def test_every_test_of_every_bench_has_a_fault_to_notice():
    tests = {
        (path.stem, statement.name)
        for path in Path(nhot_sim.__file__).parent.glob("benches/tb_*.py")
        for statement in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(statement, ast.AsyncFunctionDef)
        and any("cocotb.test" in ast.unparse(mark) for mark in statement.decorator_list)
    }
    assert {(fault.bench, fault.test) for fault in FAULTS.values()} == tests
