"""Studies that choose: on samples held back from training, tested once, and said in the record."""

import json
from dataclasses import replace

import numpy as np
import pytest

from nhot.cli import main
from nhot.errors import NhotError
from nhot.experiments.studies import STUDIES, Record, Row, load_records, study, table
from nhot.experiments.studies import runner as runner_module
from nhot.experiments.studies.choosing import Trial, best, held_back
from nhot.experiments.studies.report import entry
from nhot.experiments.studies.runner import Runner, open_study

DENSE, SPARSE, SLOW = (
    Row(name="dense", format="binary", recipe="from-scratch"),
    Row(name="sparse", format="ternary", recipe="from-scratch", options={"rule": "twn"}),
    Row(name="slow", format="binary", recipe="from-scratch", settings={"lr": 1e-6}),
)
CHOSEN = Row(name="chosen", format="", recipe="chosen", candidates=(DENSE, SPARSE, SLOW))
CHOOSING = replace(
    study("digits"), validation=200, trial={"epochs": 3}, seeds=(3,),
    float_training={"epochs": 1, "lr": 1e-2, "batch": 128, "optimizer": "adam"},
    scratch={"epochs": 4, "lr": 3e-2, "batch": 64, "optimizer": "adam"},
    rows=(Row(name="float", format="", recipe="float"),
          Row(name="binary", format="binary", recipe="from-scratch"),
          CHOSEN, replace(CHOSEN, name="thin", densest=0.8)),
)


class Counting:
    """Measures with the test samples, and remembers how often it did."""

    def __init__(self, measure):
        self.measure, self.times = measure, 0

    def __call__(self, model):
        self.times += 1
        return self.measure(model)


@pytest.fixture
def opened(tmp_path):
    one = Runner(CHOOSING, open_study(CHOOSING, None), tmp_path / "runs")
    one.test = Counting(one.test)
    return one


@pytest.mark.parametrize(("counts", "held"), [
    ([500, 500, 500], 300), ([10, 20, 70], 10), ([3, 3, 3], 2), ([7, 1], 7),
])
def test_every_class_is_held_back_by_its_share(counts, held):
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
    mask = held_back(labels, held)
    assert mask.sum() == held
    for number, count in enumerate(counts):
        assert abs(mask[labels == number].sum() - held * count / len(labels)) < 1
    np.testing.assert_array_equal(mask, held_back(labels.copy(), held))


def test_what_is_held_back_is_drawn():
    labels = np.zeros(1000, np.int64)
    mask = held_back(labels, 100)
    assert 20 < mask[:500].sum() < 80  # neither the first nor the last ones


@pytest.mark.parametrize("count", [-1, 5, 6])
def test_some_are_left_to_train_on(count):
    with pytest.raises(NhotError, match=rf"Validation must be 1 to 4 of 5 samples, not {count}"):
        held_back(np.zeros(5, np.int64), count)


def test_validation_samples_are_not_trained_on_and_equal_for_all(opened, tmp_path):
    x, _ = opened.task.data
    again = Runner(CHOOSING, open_study(CHOOSING, None), tmp_path)
    (left, labels), (held, wanted) = opened.data, opened.measure.keywords["data"]
    assert (len(left), len(held)) == (len(x) - 200, 200)
    assert sorted(map(bytes, (*left, *held))) == sorted(map(bytes, x))
    assert len(labels) == len(left)
    assert np.bincount(wanted, minlength=10).min() >= 18
    np.testing.assert_array_equal(again.measure.keywords["data"][0], held)
    np.testing.assert_array_equal(opened.samples, left[:512])  # ranges, too, are of the rest


def test_the_best_of_those_that_are_sparse_enough():
    trials = [Trial(name=name, validation=score, density=density)
              for name, score, density in (("a", 0.7, 0.2), ("b", 0.9, 0.5), ("c", 0.8, 0.3),
                                           ("d", 0.8, 0.1))]
    assert best(trials, 1.0).name == "b"
    assert best(trials, 0.3).name == "c"  # the first of equals
    assert best(trials, 0.05).name == "b"  # none is


def test_a_row_is_the_best_candidate_trained_with_a_seed_of_its_own(opened, monkeypatch):
    record = opened.run(CHOSEN, 3)
    assert opened.test.times == 1
    assert list(record.candidates) == ["dense", "sparse", "slow"]
    scores = {name: one["validation"] for name, one in record.candidates.items()}
    assert record.chosen == max(scores, key=scores.get)
    assert scores["slow"] < scores[record.chosen]  # its rate is its own
    assert record.candidates["sparse"]["density"] < record.candidates["dense"]["density"]
    assert (record.epochs, record.seed) == (4, 3)
    assert 0 < record.validation <= 1
    assert record.stages == {CHOSEN.candidate(record.chosen).format: record.validation}
    assert record.additions["sums"] > 0  # of the format that was chosen
    runs = opened.folder
    logs = [json.loads(line) for line in (
        runs / "dense/trial/1-binary/log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert (logs[0]["settings"]["epochs"], logs[0]["settings"]["seed"]) == (3, 0)
    assert logs[0]["samples"] == len(opened.task.data[0]) - 200
    assert load_records(runs) == [record]
    # Another row of the same candidates tries nothing anew, and chooses by its own limit.
    logs = {path: path.read_bytes() for path in runs.glob("*/trial/1-*/log.jsonl")}
    assert len(logs) == 3
    thin = Runner(CHOOSING, opened.task, runs).run(CHOOSING.row("thin"), 3)
    assert logs == {path: path.read_bytes() for path in runs.glob("*/trial/1-*/log.jsonl")}
    assert thin.candidates == record.candidates
    assert thin.chosen == "sparse"
    # What is there is not done again: not trained, not measured.
    monkeypatch.setattr(opened, "_train", None)
    assert opened.run(CHOSEN, 3) == record
    assert opened.test.times == 1


def test_rows_without_candidates_have_a_validation_score_too(opened):
    for name in ("float", "binary"):
        times = opened.test.times
        record = opened.run(CHOOSING.row(name), 3)
        assert opened.test.times == times + 1
        assert 0 < record.validation <= 1
        assert (record.chosen, record.candidates) == ("", {})


def test_a_study_that_is_stopped_goes_on(opened, monkeypatch):
    """Stopped in a candidate, in the chosen training, and before the record; as if never."""
    whole = opened.run(CHOSEN, 3)
    other = Runner(CHOOSING, opened.task, opened.folder.parent / "stopped")
    real, steps = runner_module.run_recipe, []

    def stopping(*args, **named):
        result = real(*args, **named)
        steps.append(named["what"])
        if len(steps) in {2, 5}:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(runner_module, "run_recipe", stopping)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            other.run(CHOSEN, 3)
        assert not load_records(other.folder)
    assert other.run(CHOSEN, 3) == whole
    assert [step.split()[1] for step in steps[:4]] == ["dense,", "sparse,", "sparse,", "slow,"]


def test_a_network_of_its_own(opened, monkeypatch):
    built, real = [], runner_module.build
    monkeypatch.setattr(
        runner_module, "build", lambda name, **options: built.append(name) or real("digits"))
    opened.run(Row(name="other", format="", recipe="float", model="resnet8"), 0)
    opened.run(CHOOSING.row("float"), 0)
    assert built == ["resnet8", "digits"]


def test_table_says_what_was_chosen():
    values = {"validation": 0.75, "chosen": "dense",
              "candidates": {name: {"validation": 0.5, "density": 0.4} for name in ("dense", "b")}}
    records = [Record(study="digits", row="chosen", seed=seed, metric="accuracy", score=0.7,
                      **values) for seed in (1, 2)]
    lines = table(CHOOSING, records, "formats").splitlines()
    assert lines[0].endswith("| note | validation | chosen |")
    assert lines[1].count("|") == lines[0].count("|") == lines[2].count("|")
    assert lines[2].endswith("|  | 75.00 % (75.00 to 75.00) | dense, of 2 |")
    assert "validation" not in table(study("digits"), records, "formats")
    assert entry(CHOOSING, records[0]).training.model == "chosen, seed 1"


def test_records_of_choices_that_are_none():
    good = Record(study="digits", row="chosen", seed=1, metric="accuracy", score=0.7)
    for change, message in (
        ({"validation": 1.5}, "Record validation must be -1 to 1, not 1.5"),
        ({"chosen": "a"}, "Record chosen must be one of its candidates, not 'a'"),
        ({"candidates": {"a": {"validation": 0.5}}}, "must be one of its candidates, not ''"),
    ):
        with pytest.raises(NhotError, match=message):
            replace(good, **change)


def test_candidates_of_other_settings_are_refused(opened):
    """A folder with trials of a study as it once was would choose by them."""
    opened.run(CHOSEN, 3)
    changed = replace(CHOSEN, candidates=(replace(DENSE, settings={"lr": 0.5}), SPARSE))
    with pytest.raises(NhotError, match=r"must be of this training: its lr is 0\.03, not 0\.5"):
        Runner(CHOOSING, opened.task, opened.folder).run(changed, 4)


def test_command_trains_the_seeds_of_the_study(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(STUDIES, "digits", CHOOSING)
    arguments = ["study", "digits", "-o", str(tmp_path / "runs"), "--rows", "binary"]
    assert main(arguments) == 0
    assert "| binary | " in capsys.readouterr().out
    (record,) = load_records(tmp_path / "runs")
    assert record.seed == 3
    assert main([*arguments[:-1], "dense"]) == 2  # a candidate is no row
    assert "Row of study digits must be one of float, binary, chosen, thin" in (
        capsys.readouterr().err)


def test_candidates_of_all_studies():
    """Those of one name are one, none is called like a row, and samples are held back for them."""
    for one in STUDIES.values():
        found = {}
        for row in one.rows:
            assert (row.recipe == "chosen") == bool(row.candidates)
            assert one.validation or not row.candidates
            for candidate in row.candidates:
                assert candidate.recipe == "from-scratch"
                assert found.setdefault(candidate.name, candidate) == candidate
        assert not found.keys() & {row.name for row in one.rows}
        assert not found or 0 not in one.seeds
