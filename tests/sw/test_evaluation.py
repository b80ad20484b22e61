"""How good outputs are, by task: counted by hand, and beside what training measures with."""

from __future__ import annotations

import numpy as np
import pytest

from nhot.errors import NhotError
from nhot.experiments.data import Arrays, Splits
from nhot.experiments.data.coco import Objects, Scene
from nhot.experiments.evaluation import area, evaluate, partial_area, task_of
from nhot.experiments.evaluation.measure import BATCH
from nhot.experiments.models.centernet import targets


class Given:
    """Gives outputs as they are written down, for samples that are their places."""

    def __init__(self, outputs, *, gives_class=False):
        self.made, self.gives_class = np.asarray(outputs, np.float64), gives_class

    def outputs(self, x):
        return self.made[x.reshape(len(x), -1)[:, 0].astype(int)]


class Data:
    """A source of samples that are already there."""

    name, targets, labelled = "given", None, True

    def __init__(self, samples, classes=()):
        self.splits = Splits(train=samples, classes=classes)


def places(labels, size=1):
    x = np.repeat(np.arange(len(labels), dtype=np.float32)[:, None], size, axis=1)
    return Data(Arrays(x, np.asarray(labels, np.int64)))


def maps(scores):
    return np.asarray(scores, np.float64)[:, None, None, :]


@pytest.mark.parametrize(("labels", "scores", "wanted"), [
    ([0, 1], [0, 1], 1.0), ([0, 1], [1, 0], 0.0), ([0, 1], [2, 2], 0.5),
    ([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.75),
])
def test_the_area_under_a_curve(labels, scores, wanted):
    assert area(labels, scores) == wanted


@pytest.mark.parametrize("seed", range(20))
def test_areas_are_those_of_scikit_learn(seed):
    metrics, random = pytest.importorskip("sklearn.metrics"), np.random.default_rng(seed)
    labels = random.integers(0, 2, random.integers(2, 90))
    labels[:2] = 0, 1
    scores = np.round(random.normal(size=len(labels)) + labels, int(random.integers(3)))
    assert area(labels, scores) == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12)
    wanted = metrics.roc_auc_score(labels, scores, max_fpr=0.1)
    assert partial_area(labels, scores) == pytest.approx(wanted, abs=1e-12)
    # Every pair of a 0 and a 1, counted.
    pairs = [(one > other) + (one == other) / 2
             for one in scores[labels == 1] for other in scores[labels == 0]]
    assert area(labels, scores) == pytest.approx(np.mean(pairs), abs=1e-12)


@pytest.mark.parametrize(("labels", "scores", "text"), [
    ([0, 0], [1, 2], "Labels must be 0 .normal. and 1 .anomaly., both of which must occur, not 0"),
    ([0, 2], [1, 2], "not 0, 2"), ([0, 1], [1], "Scores must be one for each of 2 labels"),
    ([0, 1], [1, np.nan], "Scores must be finite"),
])
def test_areas_refuse(labels, scores, text):
    with pytest.raises(NhotError, match=text):
        area(labels, scores)


def test_classes():
    scores = np.zeros((3 * BATCH, 3))
    labels, answers = np.arange(3 * BATCH) % 3, np.arange(3 * BATCH) % 2
    scores[np.arange(len(scores)), answers] = 1
    found = evaluate(Given(maps(scores)), places(labels), split="train")
    assert (found.task, found.metric, found.samples, found.classes) == (
        "classes", "accuracy", 3 * BATCH, 3)
    assert found.value == np.mean(labels == answers)
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_array_equal(found.answers, answers)
    some = evaluate(Given(maps(scores)), places(labels), split="train", most=5)
    np.testing.assert_array_equal(some.labels, labels[np.arange(5) * len(labels) // 5])
    assert some.inputs[1][0] == len(labels) // 5


def test_an_argmax_gives_the_class():
    found = evaluate(Given(maps([[2], [0], [1]]), gives_class=True), places([2, 1, 1]),
                     split="train")
    assert (found.value, found.classes) == (2 / 3, 3)


def test_of_many_classes_the_five_largest_count():
    scores = np.tile(np.arange(20.0), (20, 1))
    found = evaluate(Given(maps(scores)), places(np.arange(20)), split="train")
    assert (found.value, found.figures) == (1 / 20, {"top 5": 5 / 20})


def test_anomalies_are_what_is_not_given_back():
    labels = [0, 0, 1, 1]
    data = places(labels, size=2)
    outputs = data.splits.train.x + np.array([[0], [1], [3], [2]])
    found = evaluate(Given(maps(outputs)), data, split="train", task="anomalies")
    assert (found.metric, found.value) == ("AUC", 1.0)
    assert found.figures["mean score of what is normal"] == 0.5
    assert found.figures["mean score of anomalies"] == 6.5
    # One number is a score itself.
    scored = evaluate(Given(maps([[0], [2], [1], [3]])), data, split="train", task="anomalies")
    assert scored.value == 0.75


def test_numbers():
    data = places([0] * 4, size=2)
    data.labelled = False
    assert task_of(data, "train") == "numbers"
    found = evaluate(Given(maps(data.splits.train.x + 0.5)), data, split="train")
    assert (found.metric, found.value) == ("mean squares", 0.25)
    assert found.figures == {"of the squares of what is wanted": pytest.approx(0.25 / 3.5)}
    data.targets = np.full((4, 3), 2.0, np.float32)
    found = evaluate(Given(maps(np.zeros((4, 3)))), data, split="train")
    assert (found.value, *found.figures.values()) == (4.0, 1.0)


def test_objects():
    pytest.importorskip("pycocotools")
    boxes = [np.array([[4, 4, 20, 24]], np.float32), np.array([[30, 8, 12, 16]], np.float32)]
    labels = [np.array([0]), np.array([1])]

    class Scenes:
        objects = tuple(Objects(box, kind, np.zeros(1, bool))
                        for box, kind in zip(boxes, labels, strict=True))

        def __len__(self):
            return 2

        def __getitem__(self, index):
            return Scene(np.full((3, 48, 64), index, np.float32), boxes[index], labels[index])

    made = np.stack([targets(box, kind, classes=2, shape=(48, 64))
                     for box, kind in zip(boxes, labels, strict=True)])
    heat = np.clip(made[:, :2], 1e-4, 1 - 1e-4)
    made[:, :2] = np.log(heat / (1 - heat))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nhot.experiments.evaluation.measure.Coco", Scenes)
        found = evaluate(Given(made.transpose(0, 2, 3, 1)), Data(Scenes(), ("a", "b")),
                         split="train")
    assert (found.task, found.metric, found.value) == ("objects", "mAP", pytest.approx(1))
    assert found.figures == pytest.approx({"AP50": 1, "AP75": 1, "AP of a": 1, "AP of b": 1})


@pytest.mark.parametrize(("outputs", "labels", "options", "text"), [
    (np.zeros((2, 3)), [0, 3], {}, "Labels of given must be 0 to 2, the classes of the model, not"),
    (np.zeros((2, 3)), [0, -1], {}, "Labels of given must be 0 or more, not -1"),
    (np.zeros((2, 1)), [0, 1], {}, "Model must give a score for each of its classes, not outputs"),
    (np.zeros((2, 3)), [0, 1], {"task": "objects"}, "must be COCO instances for the task objects"),
    (np.zeros((2, 3)), [0, 1], {"task": "anomalies"}, "Model must give 2 numbers, .* not 3"),
    (np.zeros((2, 3)), [0, 1], {"most": 0}, "Number of samples must be at least 1, not 0"),
])
def test_what_does_not_go_together(outputs, labels, options, text):
    with pytest.raises(NhotError, match=text):
        evaluate(Given(maps(outputs)), places(labels, size=2), split="train", **options)


def test_labels_are_needed():
    data = places([0, 1])
    data.labelled = False
    with pytest.raises(NhotError, match="must have labels y"):
        evaluate(Given(maps(np.zeros((2, 2)))), data, split="train", task="classes")
    # Without them the samples themselves are what is wanted, and the message says why.
    text = "Model must give 1 numbers, as many as a sample of .*, which has no labels y, has, not 2"
    with pytest.raises(NhotError, match=text):
        evaluate(Given(maps(np.zeros((2, 2)))), data, split="train")
