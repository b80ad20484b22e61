"""Studies in folds: every photograph is measured with once, and differences have intervals."""

from dataclasses import replace

import numpy as np
import pytest

from nhot.cli import main
from nhot.errors import NhotError
from nhot.experiments.data.coco import Objects
from nhot.experiments.data.coco_folds import coco_fold
from nhot.experiments.data.coco_metrics import Detections, coco_metrics
from nhot.experiments.data.coco_resampled import drawn, resampled_precision
from nhot.experiments.data.coco_splits import open_coco
from nhot.experiments.studies import Record, study
from nhot.experiments.studies.aims import aims
from nhot.experiments.studies.runner import DRAWS, Runner, open_study
from nhot.testing.discs import write_discs

pytest.importorskip("PIL.Image")
pytest.importorskip("pycocotools")

KINDS = ("a", "b", "c")
QUICK = {"epochs": 1, "lr": 1e-3, "batch": 2, "optimizer": "adam"}
SHORT = replace(
    study("bccd-folds"), folds=2, float_training=QUICK, tuning=QUICK,
    options={"classes": 2, "width": 0.25, "filters": (8, 8, 8), "head": 8},
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_discs(tmp_path_factory.mktemp("discs"), train=4, val=2, test=3)


def test_every_photograph_is_in_one_fold_and_trained_on_in_all_others(folder):
    splits = open_coco(folder, size=(48, 64))
    folds = [coco_fold(splits, number, 4) for number in range(4)]
    names = sorted(name for coco in (splits.train, splits.validation, splits.test)
                   for name in coco.names)
    assert sorted(name for one in folds for name in one.test.names) == names
    assert sorted(len(one.test) for one in folds) == [2, 2, 2, 3]
    for one in folds:
        assert sorted([*one.train.names, *one.test.names]) == names
        assert (one.classes, one.validation) == (splits.classes, None)
        for place, name in enumerate(one.test.names):  # with its own objects
            split = getattr(splits, {"val": "validation"}.get(name[:-5], name[:-5]))
            index = split.names.index(name)
            np.testing.assert_array_equal(one.test[place].image, split[index].image)
            assert one.test.objects[place] is split.objects[index]
    again = coco_fold(splits, 1, 4)
    assert again.test.names == folds[1].test.names
    assert [name for one in folds for name in one.test.names] != names  # they are mixed


@pytest.mark.parametrize(("number", "count"), [(4, 4), (-1, 4), (0, 10)])
def test_folds_that_there_are_not(folder, number, count):
    with pytest.raises(NhotError, match=f"Fold must be 0 to {count - 1} of 9 photographs, not"):
        coco_fold(open_coco(folder, size=(48, 64)), number, count)


def scene(rng):
    """Objects, some of them crowds, and detections that are near them or wrong."""
    count = int(rng.integers(0, 6))
    boxes = np.c_[rng.uniform(0, 80, (count, 2)), rng.uniform(5, 40, (count, 2))]
    labels = rng.integers(0, 3, count)
    near = rng.integers(0, count, int(rng.integers(0, 12))) if count else np.zeros(0, int)
    found = np.abs(boxes[near] + rng.normal(0, 2, (len(near), 4))) + 0.1
    kinds = np.where(rng.random(len(near)) < 0.8, labels[near], rng.integers(0, 3, len(near)))
    return (
        Objects(boxes.astype(np.float32), labels, rng.random(count) < 0.1),
        Detections(found.astype(np.float32), rng.random(len(near)), kinds),
    )


@pytest.mark.parametrize("seed", range(3))
def test_precision_of_what_was_drawn_is_that_of_a_list_with_repetitions(seed):
    rng = np.random.default_rng(seed)
    objects, found = map(list, zip(*(scene(rng) for _ in range(25)), strict=True))
    often = np.concatenate([np.ones((1, 25), int), drawn(25, 8, seed)])
    for times, value in zip(
        often, resampled_precision(objects, found, KINDS, often), strict=True
    ):
        chosen = np.repeat(np.arange(25), times)
        whole = coco_metrics(
            [objects[one] for one in chosen], [found[one] for one in chosen], KINDS
        )
        assert value == pytest.approx(whole["mAP"], abs=1e-12)


def test_a_draw_without_objects_has_no_precision():
    empty = Objects(np.zeros((0, 4), np.float32), np.zeros(0, int), np.zeros(0, bool))
    one = Objects(np.float32([[1, 1, 5, 5]]), np.array([0]), np.array([False]))
    found = [Detections(np.float32([[1, 1, 5, 5]]), np.array([0.5]), np.array([0]))] * 2
    often = np.array([[2, 0], [0, 2], [1, 1]])
    values = resampled_precision([empty, one], found, ("a",), often)
    assert values == [-1.0, 1.0, 0.5]  # of two equally certain the first, which is wrong, counts


def test_draws_are_of_as_many_and_the_same_each_time():
    often = drawn(40, 50, 3)
    assert often.shape == (50, 40)
    assert set(often.sum(1)) == {40}
    assert (often != 1).any(1).all()
    np.testing.assert_array_equal(often, drawn(40, 50, 3))
    assert (often != drawn(40, 50, 4)).any()


def test_a_record_of_a_fold_has_its_draws(folder, tmp_path):
    runner = Runner(SHORT, open_study(SHORT, folder, 1), tmp_path)
    record = runner.run(SHORT.row("int8"), 1)
    assert len(record.resampled) == DRAWS
    assert min(record.resampled) <= record.score <= max(record.resampled)
    assert Record.load(tmp_path / "int8" / "seed1" / "record.json") == record


def record(row, seed, score, resampled=()):
    return Record(study="bccd-folds", row=row, seed=seed, metric="mAP", score=score,
                  resampled=list(resampled))


def test_an_aim_has_the_interval_of_the_paired_means():
    steps = np.arange(101) / 1000  # differences of a seed from 0.0 to 10.0 points, in one order
    records = [
        record("int8", 0, 0.5, 0.5 + 0 * steps), record("2hot", 0, 0.55, 0.5 + steps),
        record("int8", 1, 0.5, 0.4 + steps), record("2hot", 1, 0.55, 0.4 + 2 * steps),
    ]
    line = aims("bccd-folds", records).splitlines()[2]
    assert line.endswith("| +5.00 points (95 %: +0.25 to +9.75) | met |")
    # Rows without draws, or of other ones, have the least and the greatest seed, as before.
    for other in ([], [0.5, 0.5]):
        records[0] = record("int8", 0, 0.51, other)
        assert "(+4.00 to +5.00)" in aims("bccd-folds", records)


def test_a_seed_that_is_no_fold(tmp_path, capsys):
    arguments = ["study", "bccd-folds", "-o", str(tmp_path / "runs"), "--data", str(tmp_path)]
    assert main([*arguments, "--seeds", "0,5"]) == 2
    assert "Seeds of study bccd-folds must be its folds, 0 to 4, not 5" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
