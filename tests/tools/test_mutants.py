"""Planting faults: which there are, what they are called, and that the tests' verdict counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import deque
from contextlib import nullcontext
from pathlib import Path

import pytest

from nhot.errors import NhotError
from nhot_tools.mutants import __main__ as command
from nhot_tools.mutants import campaign
from nhot_tools.mutants.campaign import Outcome, Results, _Worker
from nhot_tools.mutants.explained import read_explained, stale
from nhot_tools.mutants.mutant import find_mutants
from nhot_tools.mutants.scope import mutants_in, sources
from nhot_tools.mutants.selection import Named, Selection
from nhot_tools.tree import ROOT, Tree, files

SERVE = "from nhot_tools.mutants import fork_server as it; it._PRELOADED = (); it.main()"


def planted(source, rule=None):
    """What each fault makes of the source, trailing lines cut off."""
    data = source.encode()
    return {
        mutant.plant(data).decode()
        for mutant in find_mutants("x.py", data)
        if (rule is None or mutant.rule == rule) and mutant.compiles(data)
    }


@pytest.mark.parametrize(("source", "rule", "wanted"), [
    ("x = a + b", "operator", {"x = (a - b)"}),
    ("x = a << b", "operator", {"x = (a >> b)"}),
    ("x = a and b", "operator", {"x = (a or b)"}),
    ("x = not a", "operator", {"x = (a)"}),
    ("x = ~a", "operator", {"x = (a)"}),
    ("x = a < b", "comparison", {"x = (a <= b)", "x = (a > b)"}),
    ("x = a in b", "comparison", {"x = (a not in b)"}),
    ("x = a < b == c", "comparison",
     {"x = (a <= b == c)", "x = (a > b == c)", "x = (a < b != c)"}),
    ("x = 7", "constant", {"x = (8)", "x = (6)"}),
    ("x = True", "constant", {"x = (False)"}),
    ("x = y.reshape(7, -1)", "constant", {"x = y.reshape((8), -1)", "x = y.reshape((6), -1)"}),
    ("if a:\n    pass", "condition", {"if (not (a)):\n    pass"}),
    ("x = b if a else c", "condition", {"x = b if (not (a)) else c"}),
    ("x = [b for b in c if b]", "condition", {"x = [b for b in c if (not (b))]"}),
    ("with m.If(a):\n    pass", "condition", {"with (m.If(a == 0)):\n    pass"}),
    ("x = a", "dropped", {"pass"}),
    ("f()", "dropped", {"pass"}),
    ("m.d.sync += a.eq(b)", "dropped", {"pass"}),
    ("m.d.comb += [a.eq(b), c.eq(d)]", "dropped",
     {"pass", "m.d.comb += ([c.eq(d)])", "m.d.comb += ([a.eq(b)])"}),
    ("raise E('a' * 3)", "dropped", {"pass"}),
    ("x = f(a, b=c)", "argument", {"x = (f(a))"}),
    ("x = zip(a, strict=True)", "argument", set()),
    ("x = zip(a, strict=True)", "constant", set()),
    ("x = dumps(a, indent=2)", None, {"pass"}),
    ("x = Signal(a, name='b')", None, {"pass"}),
    ("x = In(8)", None, {"pass", "x = (In(7))"}),
    ("x = a[b:c]", "slice", {"x = (a[b + 1:c])", "x = (a[:c])", "x = (a[b:c + 1])", "x = (a[b:])"}),
    ("x = Signal(a + 1)", "width", {"x = (Signal(a + 1 - 1))"}),
    ("x = signed(a)", "sign", {"x = (unsigned(a))"}),
    ("x = a.as_signed()", "sign", {"x = (a.as_unsigned())"}),
    ("x = min(a, b)", "extreme", {"x = (max(a, b))"}),
])
def test_rules(source, rule, wanted):
    assert planted(source, rule) == wanted


@pytest.mark.parametrize("source", [
    '"""Text with 3 + 4."""', "__all__ = ['a', 'b']", "import a", "from a import b",
    "x: Literal[3]", "def f(a: Literal[3]) -> Literal[4]: ...", "print(3 + 4)",
    "if TYPE_CHECKING:\n    x = 3", 'f"{3 + 4}"', "@cache(3)\ndef f(): ...",
    "self.progress.step(3)",
])
def test_nothing_is_planted_where_no_number_follows(source):
    assert planted(source) == set()


def test_names_outlive_edits_elsewhere():
    source = b"def f(a):\n    a = g(1)\n    a = g(1)\n    return a\n"
    before = find_mutants("x.py", source)
    after = find_mutants("x.py", b"'''Doc.'''\nx = 3\n\n\n" + source)
    assert {one.key for one in before} < {one.key for one in after}
    assert len({one.key for one in before}) == len(before)  # equal faults are counted
    assert before[0].function == "f"
    assert before[0].lines == frozenset([2])
    assert next(one for one in after if not one.function).lines == frozenset()


def test_a_fault_shows_itself():
    data = b"def f(a):\n    return a + 1\n"
    mutant = next(one for one in find_mutants("x.py", data) if one.rule == "operator")
    assert mutant.place == "x.py:2"
    assert mutant.diff(data).split("\n") == ["    -    return a + 1", "    +    return (a - 1)"]


def test_every_source_in_scope_has_faults():
    names = sources(files(), [])
    for package in ("hw/nhot_hw/engine", "sw/nhot/formats", "sw/nhot/quant", "sim/nhot_sim"):
        assert any(name.startswith(package) for name in names)
    found = mutants_in(["sw/nhot/formats/binary.py"])
    assert found
    with pytest.raises(NhotError, match=r"Path must be that of a Python file .*, not 'nowhere'"):
        sources(files(), ["nowhere"])


def test_explained_faults_are_still_there():
    explained = read_explained()
    paths = sorted({key.partition("|")[0] for key in explained})
    assert stale(explained, mutants_in(paths)) == []
    assert all(len(reason) > 20 for reason in explained.values())


@pytest.mark.parametrize(("text", "message"), [
    ('[[fault]]\nfile = "a"', "must have change, file, function, line, reason, not file"),
    (2 * '[[fault]]\nfile = "a"\nfunction = "f"\nline = "x"\nchange = "c"\nreason = "r"\n',
     r"must be there once, not twice: a\|f\|x\|c"),
])
def test_entries_that_cannot_be(tmp_path, text, message):
    (tmp_path / "explained.toml").write_text(text, encoding="utf-8")
    with pytest.raises(NhotError, match=message):
        read_explained(tmp_path / "explained.toml")


def test_stale_entries_are_told(monkeypatch, capsys):
    monkeypatch.setattr(command, "read_explained", lambda: {"sw/nhot/errors.py|f|x = 1|c": "r"})
    assert command.main(["--list"]) == 2
    assert "Explained fault must be one that can be planted, not sw/nhot" in capsys.readouterr().err


def test_the_draw_follows_from_the_seed(capsys):
    def draw(*arguments):
        assert command.main(["--list", "--paths", "sw/nhot/formats", *arguments]) == 0
        return capsys.readouterr().out.splitlines()

    assert len(draw("--count", "20")) == 20
    assert draw("--count", "20") == draw("--count", "30")[:20]
    assert draw("--count", "20") != draw("--count", "20", "--seed", "2")
    assert command.main(["--count", "0"]) == 2
    assert "--count must be at least 1, not 0" in capsys.readouterr().err


def test_results_are_kept_line_by_line(tmp_path):
    results = Results(tmp_path / "results.jsonl")
    for tree, key, what in (("1", "a", "lived"), ("1", "b", "killed"), ("2", "a", "killed"),
                            ("2", "c", "unseen")):
        results.add(Outcome(key=key, tree=tree, what=what, by="", seconds=0.0))
    again = Results(tmp_path / "results.jsonl")
    assert again.of("1").keys() == {"a", "b"}
    assert again.alive() == {"c"}


def test_tests_are_tried_quick_and_different_ones_first():
    selection = Selection.__new__(Selection)
    selection.seconds = {"a.py::f[1]": 1.0, "a.py::f[2]": 2.0, "a.py::f[3]": 2.5, "a.py::g": 3.0,
                         "b.py::h": 0.5, "c.py::i": 9.0}
    selection.failed = frozenset(["b.py::h"])
    selection._of_file = {"a.py": ["a.py::f[1]", "a.py::f[2]", "a.py::f[3]", "a.py::g"]}
    found = selection._tests(["a.py::g (call)|x", "a.py", "b.py::h", "c.py::i", "unknown"])
    assert found == ["a.py::f[1]", "a.py::g", "a.py::f[2]", "a.py::f[3]", "c.py::i"]


@pytest.mark.parametrize(("lines", "chosen"), [
    ({2: ["t/test_other.py::a", "t/test_other.py::b"], 9: ["t/test_engine.py::c"]}, "acb"),
    ({2: ["t/test_other.py::a"], 9: ["t/test_engine.py::c", "t/test_other.py::b"]}, "acb"),
    ({2: ["t/test_engine.py::c"], 9: ["t/test_other.py::a", "t/test_other.py::b"]}, "cab"),
    ({9: ["t/test_engine.py::c"]}, ""),
    ({2: [""]}, "c"),  # as it is imported
])
def test_those_that_run_the_line_and_those_of_its_name_are_tried_in_turn(lines, chosen):
    selection = Selection.__new__(Selection)
    selection.seconds = {"t/test_other.py::a": 1.0, "t/test_other.py::b": 8.0,
                         "t/test_engine.py::c": 5.0}
    selection.failed, selection._of_file = frozenset(), {}
    selection._lines = {"hw/nhot_hw/engine.py": lines}.get
    mutant = find_mutants("hw/nhot_hw/engine.py", b"def f():\n    return 3\n")[0]
    assert "".join(test[-1] for test in selection.pick(mutant, 100)) == chosen
    assert "".join(test[-1] for test in selection.pick(mutant, 6)) == "".join(
        name for name in chosen if name != "b"
    )


def test_a_module_that_only_holds_a_table_is_for_tests_of_its_name():
    selection = Selection.__new__(Selection)
    selection.seconds = {"t/test_other.py::a": 1.0, "t/test_engine.py::c": 5.0}
    selection.failed, selection._of_file = frozenset(), {}
    selection._lines = {"hw/nhot_hw/engine.py": {1: [""]}}.get
    (mutant, *_) = find_mutants("hw/nhot_hw/engine.py", b"TABLE = {\n    'a': 3,\n}\n")
    assert selection.pick(mutant, 100) == ["t/test_engine.py::c"]


def test_the_server_gives_the_tests_verdict(tmp_path):
    """Passed, failed, broken on import, and for ever: in a tree that is not this one."""
    # Wherever the temporary folder lies.
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "test_it.py").write_text(
        "import time\n"
        "def test_good(): pass\n"
        "def test_bad(): assert False\n"
        "def test_slow(): time.sleep(600)\n", encoding="utf-8"
    )
    (tmp_path / "test_broken.py").write_text("def test_it(): 1 +\n", encoding="utf-8")
    jobs = [{"test_it.py::test_good": 0}, {"test_it.py::test_good": 0, "test_it.py::test_bad": 0},
            {"test_it.py::test_slow": -2.98}, {"test_broken.py::test_it": 0},
            {"test_it.py::test_gone": 0}, {"test_gone.py::test_it": 0}]
    done = subprocess.run(
        [sys.executable, "-c", SERVE], cwd=tmp_path, text=True, capture_output=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tools")},
        input="".join(json.dumps({"tests": tests}) + "\n" for tests in jobs),
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["outcome"] for answer in answers] == [
        "passed", "killed", "timeout", "broken", "empty", "broken"
    ]
    assert [answer["by"] for answer in answers[1:3]] == [
        "test_it.py::test_bad", "test_it.py::test_slow"
    ]


class Scripted(_Worker):
    """A worker whose server gives these outcomes, one after another."""

    def __init__(self, folder, outcomes):
        self.tree = Tree(folder, ["sw/nhot/errors.py"])
        self.target = self.tree.root / "sw/nhot/errors.py"
        self.outcomes = list(outcomes)
        self.planted = []

    def _ask(self, job):
        self.planted.append(self.target.read_bytes() != (ROOT / "sw/nhot/errors.py").read_bytes())
        return {"outcome": self.outcomes.pop(0), "by": "the script"}


@pytest.mark.parametrize(("outcomes", "planted", "verdict"), [
    (["killed"], [True], "killed"),
    (["passed", "passed"], [True, True], "passed"),
    (["broken", "passed"], [True, False], "broken"),
    (["timeout", "passed"], [True, False], "timeout"),
    (["empty", "passed", "killed"], [True, False, True], "killed"),
])
def test_what_no_test_says_is_tried_without_the_fault(tmp_path, outcomes, planted, verdict):
    worker = Scripted(tmp_path, outcomes)
    answer = worker.try_out(mutants_in(["sw/nhot/errors.py"])[0], [{"one": 0}, {"two": 0}])
    assert answer["outcome"] == verdict
    assert worker.planted == planted


@pytest.mark.parametrize("outcome", ["broken", "empty", "timeout"])
def test_nothing_counts_as_killed_in_a_broken_environment(tmp_path, outcome):
    worker = Scripted(tmp_path, 2 * [outcome])
    with pytest.raises(NhotError, match="must pass without a fault, not end with: the script"):
        worker.try_out(mutants_in(["sw/nhot/errors.py"])[0], [{"one": 0}])


def test_a_broken_environment_stops_all_workers(tmp_path, monkeypatch):
    stopped = threading.Event()

    class Faults(deque):
        def clear(self):
            super().clear()
            stopped.set()

    class Slow(Scripted):
        def _ask(self, job):
            answer = super()._ask(job)
            if self.planted[-1]:
                stopped.wait(60)
            return answer

    mutants = mutants_in(["sw/nhot/errors.py"])
    workers = [Scripted(tmp_path / "0", ["passed", "broken", "broken"]),
               Slow(tmp_path / "1", ["passed", *len(mutants) * ["killed"]])]
    monkeypatch.setattr(campaign, "deque", Faults)
    monkeypatch.setattr(campaign, "_worker", lambda folder, names: nullcontext(workers.pop()))
    selection = Named.__new__(Named)
    selection.seconds = {"one": 0}
    results = Results(tmp_path / "results.jsonl")
    with pytest.raises(NhotError, match="Tests must pass without a fault"):
        campaign.run(mutants, folder=tmp_path, names=[], tree="1", selection=selection,
                     results=results, jobs=2, patience=1)
    assert len(results.outcomes) <= 1


def test_what_tools_compile_outlives_a_home(tmp_path):
    """Else each fault would pay for Yosys anew, and meet time limits that are none of its doing."""
    tree = Tree(tmp_path, ["sw/nhot/errors.py"])
    for cache in ("NHOT_CACHE_DIR", "YOWASP_CACHE_DIR"):
        assert not Path(tree.environment[cache]).is_relative_to(tree.home)


def test_the_tools_stay_out_of_the_packages():
    for package in ("sw", "hw", "sim"):
        for path in (ROOT / package).rglob("*.py"):
            assert "nhot_tools" not in path.read_text(encoding="utf-8")
