"""Studies: rows are trained once, records survive, tables and pictures are made of records."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nhot.cli import main
from nhot.errors import NhotError
from nhot.experiments.studies import STUDIES, Record, load_records, study, table, work
from nhot.experiments.studies.aims import aims
from nhot.experiments.studies.doc_tables import refresh
from nhot.experiments.studies.record_plot import plot
from nhot.experiments.studies.runner import Runner, open_study
from nhot.formats import parse

SHORT = replace(
    study("digits"),
    float_training={"epochs": 2, "lr": 1e-2, "batch": 128, "optimizer": "adam"},
    tuning={"epochs": 2, "lr": 1e-3, "batch": 128, "optimizer": "adam"},
    scratch={"epochs": 2, "lr": 1e-2, "batch": 128, "optimizer": "adam"},
)
COUNTS = {
    "weights": 10, "effectual": 5, "bits": 70, "terms": 15, "macs": 100, "shift_adds": 200,
    "mean_shift_adds": 150,
}
ADDITIONS = {
    "sums": 4_000, "dense": 400_000, "sparse": 200_000, "shared": 90_000, "subset": 0,
}


def record(row, score, seed=0, **values):
    return Record(
        study="digits", row=row, seed=seed, metric="accuracy", score=score, counts=COUNTS,
        stages={"rounded": 0.5}, **values,
    )


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    return Runner(SHORT, open_study(SHORT, None), tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize(
    "name", ["float", "2hot", "int8", "2hot-rounded", "1hot-bias", "signed-binary", "2hot+"]
)
def test_a_row_is_trained_once(runner, name, monkeypatch):
    first = runner.run(SHORT.row(name), 0)
    assert 0.05 < first.score <= 1
    if name == "int8":  # what it starts from is what it was before its only stage
        assert list(first.stages) == ["rounded", "int8"]
        assert first.stages["int8"] == first.score
    if name == "2hot":
        assert list(first.stages) == ["rounded", "int8", "2hot"]
        assert first.stages["2hot"] == first.score
        assert first.bits_per_weight == 7.0
        assert first.most_terms == 2.0
    if name == "signed-binary":
        assert first.density < 0.6
        assert first.counts["terms"] == first.counts["effectual"]
        assert first.additions["shared"] < first.additions["sparse"] < first.additions["dense"]
        assert first.additions["dense"] == first.counts["macs"] - first.additions["sums"]
    monkeypatch.setattr(runner, "measure", None)  # nothing that trains or measures
    assert runner.run(SHORT.row(name), 0) == first
    assert first in load_records(runner.folder)


def test_every_row_of_every_study_can_be_quantised():
    for one in STUDIES.values():
        names = [row.name for row in one.rows]
        assert len(set(names)) == len(names)
        for row in one.rows:
            assert (row.recipe in {"float", "chosen"}) == (not row.format)
            if row.format:
                parse(row.format)


def test_table_has_the_mean_of_the_seeds():
    records = [record("2hot", 0.9), record("2hot", 0.8, seed=1), record("int8", 0.95)]
    lines = table(study("digits"), records, "formats").splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| int8 | 95.00 % | 50.00 % | 7.00 | 2.00 | 1.50 | 0.50 | 0 | 1 |")
    assert "| 85.00 % (80.00 to 90.00) |" in lines[3]
    detected = table(study("digits"), [record("2hot", 0.5, facts={"AP50": 0.8})], "formats")
    assert "| 50.00 %, AP50 80.00 % |" in detected


def test_table_of_the_work_of_an_output():
    binary = {**ADDITIONS, "sparse": 400_000, "subset": 100_000}
    other = {**ADDITIONS, "sums": 8_000}
    records = [
        record("ternary", 0.9, additions=ADDITIONS), record("2hot", 0.9),
        record("ternary", 0.8, seed=1, additions=other), record("binary", 0.7, additions=binary),
    ]
    assert work(study("digits"), records).splitlines()[2:] == [
        "| ternary | 85.00 % | 75.0 | 37.5 | 16.9 |  | 16.9 | 90.0 k |",
        "| binary | 70.00 % | 100.0 | 100.0 | 22.5 | 25.0 | 22.5 | 90.0 k |",
    ]


def test_picture_is_the_same_for_the_same_records(tmp_path):
    records = [record("2hot", 0.9), record("int8", 0.95), record("float", 0.96)]
    for name in ("a.svg", "b.svg"):
        plot(study("digits"), records, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b"2hot" in (tmp_path / "a.svg").read_bytes()


def test_records_that_are_none(tmp_path):
    path = tmp_path / "record.json"
    for text, message in (
        ("", "must be JSON"), ("[]", "must be an object"),
        ('{"study": "digits"}', "must have the field"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(NhotError, match=rf"Record '.*record\.json' {message}"):
            load_records(tmp_path)
    record("2hot", 0.5).save(path)
    values = json.loads(path.read_text(encoding="utf-8"))
    for change, message in (
        ({"score": 1e300}, "Record score must be -1 to 1, not 1e.300"),
        ({"score": "1"}, "score must be a number, not '1'"),
        ({"stages": {"rounded": 2}}, "Record rounded must be -1 to 1, not 2"),
        ({"facts": {"AP50": {}}}, "Record AP50 must be a number"),
        ({"facts": {"AP50": [1]}}, "facts.AP50 must be a number or be an object, not"),
        ({"counts": {"weights": 1}}, "Record counts must be weights, effectual, .*, not 'weights'"),
        ({"counts": {**COUNTS, "macs": 0}}, "weights and macs 1 or more, not 10, 5, 70, 15, 0"),
        ({"counts": {**COUNTS, "terms": -1}}, "Record counts must be 0 or more"),
        ({"additions": {"sums": 1}}, "Record additions must be sums, dense, .*, not 'sums'"),
        ({"additions": {**ADDITIONS, "sums": 0}}, "of sums 1 or more, not 0, 400000, 200000"),
        ({"additions": {**ADDITIONS, "dense": -1}}, "Record additions must be 0 or more"),
        ({"row": "a\ud800"}, "must be JSON"),
    ):
        path.write_text(json.dumps({**values, **change}), encoding="utf-8")
        with pytest.raises(NhotError, match=message):
            load_records(tmp_path)
    with pytest.raises(NhotError, match="Folder of records must exist"):
        load_records(tmp_path / "nothing")


def test_command_prints_the_table_of_records(tmp_path, capsys):
    record("2hot", 0.9).save(tmp_path / "record.json")
    assert main(["study", "digits", "--table", str(tmp_path)]) == 0
    assert "| 2hot | 90.00 % |" in capsys.readouterr().out
    record("ternary", 0.9, additions=ADDITIONS).save(tmp_path / "record-1.json")
    assert main(["study", "digits", "--table", str(tmp_path)]) == 0
    assert "| ternary | 90.00 % | 100.0 | 50.0 | 22.5 |  | 22.5 |" in capsys.readouterr().out
    assert main(["study", "digits", "--table", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["score"] == 0.9


@pytest.mark.parametrize(("arguments", "text"), [
    (["nonsense", "-o", "x"], "Study must be one of"),
    (["digits"], "needs either -o DIR"),
    (["digits", "-o", "x", "--rows", "4hot"], "Row of study digits must be one of"),
    (["digits", "-o", "x", "--seeds", "a"], "Seeds must be whole numbers"),
    (["digits", "-o", "x", "--seeds", "0,-1"], "Seed must be 0 to 18446744073709551615, not -1"),
    (["cifar10-resnet8", "-o", "x"], "--data must name the folder"),
    (["cifar10-resnet8", "-o", "x", "--data", "nothing"], "nothing"),
])
def test_mistakes(arguments, text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["study", *arguments]) == 2
    assert text in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_command_trains_rows_seed_by_seed(tmp_path, capsys, monkeypatch):
    trained = []

    class Quick(Runner):
        def run(self, row, seed):
            trained.append((row.name, seed))
            return record(row.name, 0.9 + seed / 100, seed)

    monkeypatch.setattr("nhot.experiments.studies.runner.Runner", Quick)
    arguments = ["study", "digits", "-o", str(tmp_path / "runs"), "--plot", str(tmp_path / "p.svg")]
    assert main([*arguments, "--rows", "2hot,int8", "--seeds", "1,2"]) == 0
    assert trained == [("2hot", 1), ("int8", 1), ("2hot", 2), ("int8", 2)]
    output = capsys.readouterr()
    assert "| 91.50 % (91.00 to 92.00) |" in output.out
    assert "int8 seed 2: accuracy 0.9200" in output.err
    assert b"2hot" in (tmp_path / "p.svg").read_bytes()


def test_page_that_cannot_be_read(tmp_path, capsys):
    record("2hot", 0.9).save(tmp_path / "record.json")
    arguments = ["study", "digits", "--table", str(tmp_path), "--page"]
    (tmp_path / "latin.md").write_bytes(b"\xff\xfe<!-- table")
    for name in ("latin.md", "absent.md"):
        assert main([*arguments, str(tmp_path / name)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"Page '{tmp_path / name}' must be a file of text that can be read" in line


def test_aims_are_judged_by_the_records():
    records = [record("2hot", 0.898), record("int8", 0.9), record("1hot", 0.88)]
    lines = aims("cifar10-resnet8", records).splitlines()
    assert lines[2] == "| 2-hot at most 0.3 points below int8 | -0.20 points | met |"
    assert lines[3] == "| 1-hot at most 1.5 points below int8 | -2.00 points | missed |"
    assert len(lines) == 4  # nothing is said of rows without records
    assert "| -75.00 % | met |" in aims("bccd-centernet", records)
    # Differences are those of one seed; a seed that only one of the rows has is left out.
    records += [record("2hot", 0.91, seed=1), record("int8", 0.92, seed=1),
                record("int8", 0.5, seed=2)]
    line = aims("cifar10-resnet8", records).splitlines()[2]
    assert line.endswith("| -0.60 points (-1.00 to -0.20) | missed |")


def test_page_is_renewed_between_its_marks(tmp_path, capsys):
    record("2hot", 0.9).save(tmp_path / "record.json")
    page = tmp_path / "page.md"
    page.write_text("# A\n<!-- table digits formats -->\nold\n<!-- end -->\nB\n", encoding="utf-8")
    arguments = ["study", "digits", "--table", str(tmp_path), "--page", str(page)]
    assert main(arguments) == 0
    first = page.read_text(encoding="utf-8")
    assert first.startswith("# A\n<!-- table digits formats -->\n\n| row |")
    assert first.endswith("|\n\n<!-- end -->\nB\n")
    assert "old" not in first
    assert main(arguments) == 0
    assert page.read_text(encoding="utf-8") == first
    assert "\n\nNo row has been trained yet.\n\n<!-- end -->" in refresh(first, study("digits"), [])
    page.write_text("nothing", encoding="utf-8")
    assert main(arguments) == 2
    assert "must have a line <!-- table digits formats -->" in capsys.readouterr().err


PAGE = Path(__file__).parents[2] / "docs" / "results.md"


@pytest.mark.parametrize("name", STUDIES)
def test_results_are_those_of_the_records(name):
    folder = PAGE.parent / "results" / name
    if f"<!-- table {name} " in PAGE.read_text(encoding="utf-8"):
        page = PAGE.read_text(encoding="utf-8")
        records = load_records(folder) if folder.exists() else []
        assert refresh(page, study(name), records) == page
    else:
        assert not folder.exists()
