# amaranth: UnusedElaboratable=no
"""Fuzz campaigns: short ones of every kind, all that was ever found, and that they do find."""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import connect, flipped

from nhot.cli import main
from nhot.errors import NhotError
from nhot_hw.io import SerialCrc
from nhot_sim.benches.linked_memory import LinkedMemory
from nhot_sim.fuzz import kind as kinds
from nhot_sim.fuzz import lines
from nhot_sim.fuzz.campaign import fuzz, keep, replay
from nhot_sim.fuzz.kind import case_random, expect_printable, load_kind
from nhot_sim.fuzz.mutate import EXTREMES, damage, damage_json, damage_values

CORPUS = Path(__file__).parent.parent / "corpus"
QUICK = {
    "images": 200, "networks": 100, "models": 100, "configs": 100, "manifests": 100,
    "results": 100, "trials": 100,
    "arrays": 100, "reports": 30, "checkpoints": 20, "frames": 400, "gateware": 100, "engines": 4,
    **dict.fromkeys((name for name in kinds.KINDS if name.startswith("line-")), 25),
}
FAULTY = '''
import os
import signal
from nhot.errors import NhotError
from nhot_sim.fuzz.kind import Kind, refused_or_done

class Faulty(Kind):
    """Case by case: right, refused, and every kind of fault."""

    seconds = 0.5

    def case(self, source):
        cases = "right refused raise hang memory escape die".split()
        return source.choice(cases).encode()

    def check(self, data):
        return refused_or_done(getattr(self, data.decode()))

    def right(self):
        print("two\\nlines")

    def refused(self):
        raise NhotError("Case must be another, not this")

    def escape(self):
        raise NhotError("\\x1b[31m")

    def hang(self):
        while True:
            pass

    def memory(self):
        bytearray(1 << 40)

    def die(self):
        os.kill(os.getpid(), signal.SIGKILL)


setattr(Faulty, "raise", lambda self: {}["key"])
'''
WORDS = {
    b"raise": "KeyError", b"hang": "processor time", b"memory": "MemoryError",
    b"escape": "must be printable", b"die": "ended the process with code -9",
}


@pytest.fixture
def faulty(tmp_path, monkeypatch):
    """A kind of which most cases are faults."""
    (tmp_path / "nhot_faulty.py").write_text(FAULTY, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.syspath_prepend(tmp_path)
    return "nhot_faulty:Faulty"


@pytest.mark.parametrize("name", QUICK)
def test_short_campaigns(name):
    summary = fuzz(name, count=QUICK[name], seed=1)
    assert not summary.faults
    assert summary.cases == -(-QUICK[name] // load_kind(name).size)


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.iterdir()))
def test_what_was_found_stays_found(name):
    files = sorted((CORPUS / name).iterdir())
    summary = replay(name, files)
    assert not [(files[fault.index].name, fault.text) for fault in summary.faults]
    assert summary.cases == len(files)


@pytest.mark.parametrize("name", [
    "configs", "manifests", "results", "trials", "reports", "images", "networks", "models",
])
def test_damage_is_the_same_again_and_goes_deep(name):
    """Some cases are accepted, most are refused, and a seed makes the same ones again."""
    kind, other = load_kind(name), load_kind(name)
    cases = [kind.case(case_random(name, 3, i)) for i in range(20)]
    assert cases == [other.case(case_random(name, 3, i)) for i in range(20)]
    assert len(set(cases)) > 15


def test_every_fault_is_found(faulty, tmp_path):
    """Exceptions, hangs, floods of memory, escapes and crashes, each with its case."""
    count = 30
    cases = [load_kind(faulty).case(case_random(faulty, 1, i)) for i in range(count)]
    summary = fuzz(faulty, count=count, seed=1, jobs=2)
    assert summary.cases == count
    assert {fault.index for fault in summary.faults} == {
        i for i, case in enumerate(cases) if case in WORDS
    }
    assert {cases[fault.index] for fault in summary.faults} == set(WORDS)
    for fault in summary.faults:
        assert WORDS[cases[fault.index]] in fault.text
    assert summary.accepted == cases.count(b"right")
    paths = [keep(faulty, 1, fault, tmp_path) for fault in summary.faults]
    assert {path.read_bytes() for path in paths} == set(WORDS)
    again = replay(faulty, sorted(set(paths)))
    assert len(again.faults) == again.cases == len(WORDS)


def test_the_command(faulty, monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(kinds.KINDS, "faulty", faulty)
    arguments = ["fuzz", "faulty", "--count", "9", "--jobs", "1", "--corpus", str(tmp_path / "c")]
    monkeypatch.setattr("nhot_sim.fuzz.campaign._answers", answers)
    assert main(arguments) == 1
    output = capsys.readouterr().out
    assert "seed 1" in output
    assert "fault  faulty 1  " in output
    assert main([*arguments, "--json"]) == 1
    facts = json.loads(capsys.readouterr().out)
    assert facts["kinds"] == [{"kind": "faulty", "counted": 9, "cases": 9, "accepted": 8,
                               "refused": 0, "faults": 1}]
    (fault,) = facts["faults"]
    assert Path(fault["file"]).read_bytes()


def answers(name, arguments):
    """What a worker says; case 1 is a fault."""
    _, start, stop = map(int, arguments)
    for index in range(start, stop):
        yield index, {"fault": "wrong"} if index == 1 else {"accepted": True}


@pytest.mark.parametrize(("arguments", "text"), [
    (["nothing"], "Kind must be one of images, .* not 'nothing'"),
    (["images", "--count", "0"], "--count must be at least 1, not 0"),
    (["images", "--jobs", "0"], "--jobs must be at least 1, not 0"),
])
def test_wrong_use(arguments, text, capsys):
    assert main(["fuzz", *arguments]) == 2
    assert re.search(text, capsys.readouterr().err)
    with pytest.raises(NhotError, match="Kind must be one of"):
        load_kind("nothing")


def test_damage_changes_every_part():
    source = random.Random(1)
    data = bytes(range(64))
    made = {damage(data, source) for _ in range(500)}
    assert len(made) > 450
    assert min(map(len, made)) < 32 < 64 < max(map(len, made))
    values = {"a": [1, 2, {"b": None}], "c": "text"}
    changed = [damage_values(values, source) for _ in range(300)]
    assert values == {"a": [1, 2, {"b": None}], "c": "text"}
    assert any(isinstance(one, dict) and "c" not in one for one in changed)
    assert any(isinstance(one, dict) and one.get("a") == "" for one in changed)
    assert {b"[", b"{"} < {damage_json(b'{"a": 1}', source)[:1] for _ in range(500)}


@pytest.mark.parametrize("text", ["\x1b[0m", "\n", "\u202e", "\ud800", "\0"])
def test_what_a_terminal_would_obey_is_a_fault(text):
    with pytest.raises(AssertionError, match="must be printable"):
        expect_printable(f"name {text}")


def test_changes_do_not_reach_into_the_extremes():
    """Tens of thousands of them, some in what an earlier one put there."""
    before = repr(EXTREMES)
    for seed in range(20_000):
        damage_json(b'{"a": 1, "b": [2, {"c": 3}]}', random.Random(seed))
    assert repr(EXTREMES) == before


class Unchecked(LinkedMemory):
    """Takes every checksum for the right one."""

    def __init__(self, **options):
        super().__init__(**options)
        server = self._link._server
        server._crc = AllRight(server._crc)


class AllRight(SerialCrc):
    """A checksum that matches whatever came."""

    def __init__(self, inner):
        self.inner = inner
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = inner = self.inner
        for name in ("i_start", "i_drain"):
            m.d.comb += getattr(inner, name).eq(getattr(self, name))
        connect(m, flipped(self.i), inner.i)
        m.d.comb += [self.o_crc.eq(inner.o_crc), self.o_match.eq(1)]
        return m


class Deaf(LinkedMemory):
    """A run that no reset ends."""

    def __init__(self, **options):
        super().__init__(**options | {"endless": False})


def test_a_host_dies_at_any_byte():
    source, wire = random.Random(1), bytes(200)
    ends = {len(lines.Killed().damaged(wire, source)) for _ in range(5000)}
    assert ends == set(range(len(wire)))


@pytest.mark.parametrize(("kind", "change"), [
    (lines.Flipped, {"_component": lambda self: Unchecked()}),
    (lines.Resets, {"_component": lambda self: Deaf()}),
    (lines.Baud, {"host_divisors": (107,)}), (lines.Baud, {"host_divisors": (93,)}),
], ids=["checksum", "runs", "slower", "faster"])
def test_a_line_notices(kind, change):
    """A link that takes wrong frames, runs otherwise, or is spoken to out of its time."""
    faulty = type("Faulty", (kind,), change)()
    with pytest.raises(AssertionError, match="answers must be"):
        faulty.check(faulty.case(random.Random(1)))
