# amaranth: UnusedElaboratable=no
"""Every proof holds, and fails on a planted fault."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
from amaranth.hdl import Const, Signal

from nhot.formats import parse
from nhot_hw.buses.axi import AxiLiteFront
from nhot_hw.buses.packer import Packer
from nhot_hw.buses.wishbone import WishboneFront
from nhot_hw.engine.drain import Drain
from nhot_hw.engine.loader import Loader
from nhot_hw.engine.pacer import Pacer
from nhot_hw.engine.readout import Readout
from nhot_hw.engine.sequencer import Sequencer
from nhot_hw.engine.write_back import WriteBack
from nhot_hw.formal import (
    Outcome,
    buses,
    drain,
    engine_parts,
    framing,
    loaded_weights,
    pacer,
    prove,
    register,
    replay,
    requests,
    sequencer,
    uart,
    write_back,
)
from nhot_hw.formal.proofs import all_proofs, chosen_proofs, lane_proofs
from nhot_hw.io import (
    CobsDecoder,
    CobsEncoder,
    ReplayFifo,
    RequestServer,
    UartReceiver,
    UartTransmitter,
)
from nhot_hw.lanes import Lane, LaneSpec
from nhot_hw.stream_register import StreamRegister

# The others run with the slow tests, seconds or not: these show that each kind of proof works.
QUICK = {
    "lane-ternary-product", "lane-signed-binary-16-sum-4", "replay-queue", "cobs-decoder",
    "readout", "stream-register", "loader-write", "loader-read", "pacer", "write-back",
    "uart-transmitter", "loader-write-weights", "loader-read-weights", "axi-lite",
}
SPECIFICATIONS = (
    buses, replay, framing, drain, engine_parts, pacer, register, requests, sequencer, uart,
    loaded_weights, write_back,
)
PROOFS = [
    pytest.param(proof, id=proof.name, marks=[] if proof.name in QUICK else [pytest.mark.slow])
    for proof in all_proofs()
]


def odd_activations(monkeypatch):
    """The lowest bit of each activation is turned over."""
    operands = Lane.operands
    monkeypatch.setattr(Lane, "operands", lambda self: [
        ((x ^ 1).as_signed(), field) for x, field in operands(self)
    ])


def never_first(monkeypatch):
    """No sum begins anew."""
    control = Lane._control
    monkeypatch.setattr(Lane, "_control", lambda self, m: (control(self, m)[0], Const(0, 1)))


def late(monkeypatch):
    """The enable is a cycle late."""
    control = Lane._control

    def changed(self, m):
        enable, first = control(self, m)
        after = Signal()
        m.d.sync += after.eq(enable)
        return after, first

    monkeypatch.setattr(Lane, "_control", changed)


def source(component, old, new):
    """A fault in the text of the module that has ``component``."""

    def plant(monkeypatch):
        module = sys.modules[component.__module__]
        text = Path(module.__file__).read_text(encoding="utf-8")
        assert text.count(old) == 1
        faulty = ModuleType(component.__module__)
        exec(compile(text.replace(old, new), module.__file__, "exec"), faulty.__dict__)
        for user in SPECIFICATIONS:
            if hasattr(user, component.__name__):
                monkeypatch.setattr(user, component.__name__, getattr(faulty, component.__name__))

    plant.__name__ = f"{old} is {new}"
    return plant


def turned(monkeypatch):
    """Each activation meets the weight of the input before."""
    operands = Lane.operands

    def changed(self):
        pairs = operands(self)
        return [(x, pairs[i - 1][1]) for i, (x, _) in enumerate(pairs)]

    monkeypatch.setattr(Lane, "operands", changed)


FAULTS = {
    "lane-*-product": [odd_activations, late],
    "lane-*-sum-*": [never_first, late, turned],
    "replay-queue": [
        source(ReplayFifo, "oldest.eq(head)", "oldest.eq(tail)"),
        source(ReplayFifo, "after != oldest", "after != head"),
        source(ReplayFifo, "head.eq(oldest)", "head.eq(oldest + 1)"),
    ],
    "stream-register": [
        source(StreamRegister, "full.eq(self.i.valid)", "full.eq(1)"),
        source(StreamRegister, "with m.If(~full):", "with m.If(~full | self.o.ready):"),
    ],
    "cobs-decoder": [
        source(CobsDecoder, "payload != 0xFF", "payload != 0xFE"),
        source(CobsDecoder, "ready.eq(self.o.ready)", "ready.eq(self.o.ready | ~self.o.valid)"),
        source(CobsDecoder, "torn.eq(~at_code)", "torn.eq(at_code)"),
    ],
    "cobs-encoder-bytes": [
        source(CobsEncoder, "Mux(close, slot, tail)", "Mux(close, tail, slot)"),
        source(CobsEncoder, "head.eq(head + leave)", "head.eq(head + self.o.valid)"),
    ],
    "cobs-encoder-codes": [
        source(CobsEncoder, "delimit.eq(take & self.i.p.end)", "delimit.eq(0)"),
        source(CobsEncoder, "run.eq(1), delimit", "run.eq(2), delimit"),
    ],
    "loader-write": [
        source(Loader, "1 << access.region, 0", "1 << access.region + 1, 0"),
        source(Loader, "with m.Elif(access.left == 1):", "with m.Elif(access.left == 2):"),
    ],
    "loader-read": [
        source(Loader, "with m.If(left == 1):", "with m.If(left == 2):"),
        source(Loader, "field.word_select(part, 8), access.plain[:8])",
               "field.word_select(part, 8), access.plain[8:16])"),
    ],
    "loader-write-weights": [
        source(Loader, "code_end = bits == len(code) - 1", "code_end = bits == len(code) - 2"),
        source(Loader, "Cat(code[1:], byte[0])", "Cat(byte[0], code[:-1])"),
    ],
    "loader-read-weights": [
        source(Loader, "field.word_select(part, 8)", "field.word_select(0, 8)"),
        source(Loader, "with m.If(~is_weights | part_end):", "with m.If(~is_weights | ~part_end):"),
    ],
    "sequencer": [
        # Of what the first layer shows before it starts: a search beyond that takes minutes.
        source(Sequencer, "m.Case(i + 1)", "m.Case(i)"),
        source(Sequencer, "with m.If(fetched):", "with m.If(1):"),
        source(Sequencer, "index < DESCRIPTOR_WORDS", "index <= 2"),
    ],
    "pacer": [
        source(Pacer, "value_end & (group == 0)", "value_end & (group == 1)"),
        source(Pacer, "ready.eq(~active | group_end)", "ready.eq(~active | pixel_end)"),
        source(Pacer, "~second)", "1)"),
    ],
    "drain": [
        source(Drain, "capture.eq(to_sums.begin & fresh)", "capture.eq(to_sums.begin)"),
        source(Drain, "with m.Elif(at_value.ends >= Ends.PIXEL)",
               "with m.Elif(at_value.ends >= Ends.VALUE)"),
        source(Drain, "at_sums.begin & (at_sums.second == addition)", "at_sums.begin"),
    ],
    "write-back": [
        source(WriteBack, "self.i_destination.lanes * config.requantisers",
               "self.i_destination.lanes"),
        source(WriteBack, "address.eq(address + 1)", "address.eq(address + 2)"),
    ],
    "request-server": [
        source(RequestServer, "crc.o_match & ~item.p.torn", "crc.o_match"),
        source(RequestServer, "header.region <= max(Region)", "header.region <= 15"),
        source(RequestServer, "count.eq(-HEADER_BYTES)", "count.eq(-HEADER_BYTES - 1)"),
    ],
    "uart-transmitter": [
        source(UartTransmitter, "Cat(0, self.i.payload)", "Cat(0, self.i.payload[::-1])"),
        source(UartTransmitter, "bits.eq(10)", "bits.eq(9)"),
    ],
    "uart-receiver": [
        source(UartReceiver, "Cat(shift[1:], rx)", "Cat(rx, shift[:-1])"),
        source(UartReceiver, "bit.eq(9)]", "bit.eq(8)]"),
    ],
    "axi-lite": [
        source(AxiLiteFront, "Mux(waits, write_waits, ", "Mux(0, 0, "),
        source(AxiLiteFront, "& ~axi.rvalid", ""),
        source(AxiLiteFront, "m.d.comb += ready.eq(~full)", "m.d.comb += ready.eq(1)"),
        source(AxiLiteFront, "has_data & ~axi.bvalid", "has_data"),
        source(AxiLiteFront, "with m.If(axi.bvalid & axi.bready):", "with m.If(axi.bvalid):"),
    ],
    "wishbone": [
        source(WishboneFront, "wb.stb & ~answered", "wb.stb"),
        source(WishboneFront, "wb.ack.eq(done & ~bus.error)", "wb.ack.eq(done)"),
    ],
    "packer": [
        source(Packer, "with m.If(~self.o.valid):", "with m.If(1):"),
        source(Packer, "with m.If((place == 3) | self.i_last):", "with m.If(place == 3):"),
    ],
    "readout": [
        source(Readout, "held >> (config.requantisers * bits)", "held >> bits"),
        source(Readout, "self.i_shift[t]", "self.i_shift.any()"),
    ],
}
PLANTED = [
    pytest.param(
        proof, fault, id=f"{proof.name}-{fault.__name__}",
        marks=[] if proof.name in QUICK and fault is faults[0] else [pytest.mark.slow],
    )
    for pattern, faults in FAULTS.items() for proof in chosen_proofs([pattern]) for fault in faults
]


@pytest.mark.parametrize("fault", [
    pytest.param(fault, id=fault.__name__) for faults in FAULTS.values() for fault in faults
])
def test_every_fault_can_be_planted(fault, monkeypatch):
    """In the sources as they are, those too whose proofs are for the slow tests."""
    fault(monkeypatch)


@pytest.mark.parametrize("proof", PROOFS)
def test_holds(proof, tmp_path):
    verdict = prove(proof, tmp_path)
    assert verdict.outcome is Outcome.PROVED, str(verdict)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("proof", "fault"), PLANTED)
def test_fails_on_a_planted_fault(proof, fault, tmp_path, monkeypatch):
    fault(monkeypatch)
    verdict = prove(proof, tmp_path)
    assert verdict.outcome is Outcome.FAILED, str(verdict)
    assert verdict.reason
    assert verdict.trace == tmp_path / proof.name / "trace.vcd"
    assert verdict.trace.stat().st_size


def test_every_proof_has_a_fault():
    assert {proof.name for pattern in FAULTS for proof in chosen_proofs([pattern])} == {
        proof.name for proof in all_proofs()
    }


@pytest.mark.parametrize("options", [
    {"format": "signed-binary/16", "bias": True}, {"format": "ternary", "bias": True},
    {"format": "signed-binary", "activation_signed": False, "activation_bits": 5},
])
@pytest.mark.slow
def test_lanes_of_ones_own(options, tmp_path):
    spec = LaneSpec(inputs=4, **options | {"format": parse(options["format"])})
    for proof in lane_proofs(spec, "mine"):
        verdict = prove(proof, tmp_path)
        assert verdict.outcome is Outcome.PROVED, str(verdict)
