"""Detection studies: boxes follow their photographs, and a study runs from files to records."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nhot.cli import main
from nhot.errors import NhotError
from nhot.experiments.data import to_integers
from nhot.experiments.data.coco import Coco, Objects
from nhot.experiments.models.centernet import targets
from nhot.experiments.models.centernet.loss import detection_loss
from nhot.experiments.studies import load_records, study
from nhot.experiments.studies.runner import Runner, open_study
from nhot.experiments.tasks.detection import NONE, CentreLoss, Jitter, Precision, in_memory
from nhot.network.reference import run
from nhot.quant import quantize, to_network
from nhot.testing.discs import CLASSES, draw, write_discs

pytest.importorskip("PIL.Image")
pytest.importorskip("pycocotools")

SIZE = (48, 64)
QUICK = {"epochs": 2, "lr": 1e-3, "batch": 2, "optimizer": "adam"}
SHORT = replace(
    study("bccd-centernet"), float_training=QUICK | {"precision": "bf16"}, tuning=QUICK,
    options={"classes": 2, "width": 0.25, "filters": (8, 8, 8), "head": 8},
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_discs(tmp_path_factory.mktemp("discs"), train=4, test=2)


def batch(seed, count=8):
    """Photographs of discs, boxes and labels, filled up to three objects."""
    rng = np.random.default_rng(seed)
    images = np.empty((count, 3, *SIZE), np.float32)
    boxes, labels = np.zeros((count, 3, 4), np.float32), np.full((count, 3), NONE)
    for index in range(count):
        pixels, found, kinds = draw(rng, *SIZE)
        images[index] = pixels.transpose(2, 0, 1) / 255
        boxes[index, : len(found)], labels[index, : len(kinds)] = found, kinds
    return tuple(map(torch.from_numpy, (images, boxes, labels)))


class Given(torch.nn.Module):
    """A model that knows the maps."""

    def __init__(self, maps):
        super().__init__()
        self.maps = iter(torch.from_numpy(maps).split(8))

    def forward(self, _):
        return next(self.maps)


def test_all_photographs_in_memory(folder):
    coco = Coco(folder / "train.json", folder / "images", size=SIZE)
    images, boxes, labels = in_memory(coco)
    assert images.shape == (4, 3, *SIZE)
    assert boxes.shape == (*labels.shape, 4) == (4, 3, 4)
    for index, scene in enumerate(coco):
        count = len(scene.labels)
        np.testing.assert_array_equal(images[index], scene.image)
        np.testing.assert_array_equal(boxes[index, :count], scene.boxes)
        assert labels[index].tolist() == [*scene.labels, *[NONE] * (3 - count)]


@pytest.mark.parametrize("seed", range(4))
def test_boxes_follow_their_photographs(seed):
    before = batch(seed)
    images, boxes, labels = Jitter(tint=0.0)(before, torch.Generator().manual_seed(seed))
    assert not torch.equal(images, before[0])
    assert bool(((labels == before[2]) | (labels == NONE)).all())
    for index, place in (labels != NONE).nonzero().tolist():
        # The pixels of the disc's colour, of which other discs of that colour are left out.
        x, y, width, height = boxes[index, place].tolist()
        colour = images[index, labels[index, place]] - images[index, 1 - labels[index, place]]
        disc = torch.zeros(SIZE)
        rows, columns = slice(max(0, round(y - 3)), None), slice(max(0, round(x - 3)), None)
        disc[rows, columns] = (colour > 0.37)[rows, columns].float()
        disc[round(y + height + 3) :] = 0
        disc[:, round(x + width + 3) :] = 0
        found_y, found_x = (disc.amax(1).nonzero()[:, 0], disc.amax(0).nonzero()[:, 0])
        edges = (found_x[0], found_y[0], found_x[-1] + 1, found_y[-1] + 1)
        assert [float(edge) for edge in edges] == pytest.approx(
            [x, y, x + width, y + height], abs=1.3
        )


def test_mirrors_are_exact_and_go_both_ways():
    images, boxes, labels = batch(0, 32)
    still = Jitter(scale=0.0, shift=0.0, tint=0.0)
    moved, boxes_moved, labels_moved = still((images, boxes, labels), torch.Generator())
    assert torch.equal(labels, labels_moved)
    ways = [(), (2,), (1,), (1, 2)]
    found = {
        way for way in ways for before, after in zip(images, moved, strict=True)
        if torch.allclose(before.flip(way), after, atol=1e-4)
    }
    assert found == set(ways)
    real = labels != NONE
    torch.testing.assert_close(boxes_moved[real][:, 2:], boxes[real][:, 2:])


def test_tint_leaves_boxes_and_range_alone():
    images, boxes, labels = batch(1)
    jitter = Jitter(scale=0.0, shift=0.0, tint=0.5)
    tinted, *rest = jitter((images, boxes, labels), torch.Generator().manual_seed(3))
    still = Jitter(scale=0.0, shift=0.0, tint=0.0)
    plain, *expected = still((images, boxes, labels), torch.Generator().manual_seed(3))
    assert all(map(torch.equal, rest, expected))
    assert 0 <= float(tinted.min()) < float(tinted.max()) <= 1
    factors = tinted[:, :, 0, 0] / plain[:, :, 0, 0]
    assert 0.5 <= float(factors.min()) < 0.8
    assert 1.2 < float(factors.max()) <= 1.5


def test_objects_that_leave_the_photograph_are_none():
    images, labels = torch.zeros(64, 1, *SIZE).expand(-1, 3, -1, -1), torch.zeros(64, 1).long()
    boxes = torch.tensor([0.0, 0.0, 6.0, 6.0]).expand(64, 1, 4)
    _, moved, found = Jitter(scale=0.0, shift=0.2, tint=0.0)(
        (images, boxes, labels), torch.Generator().manual_seed(0)
    )
    seen = found == 0
    assert 0 < int(seen.sum()) < 64
    areas = moved[..., 2:].prod(-1) / 36
    assert float(areas[seen].min()) >= 0.3 - 1e-5
    assert float(areas[~seen].max()) < 0.3
    limits = torch.tensor([SIZE[1], SIZE[0]])
    assert bool((moved[..., :2] >= 0).all())
    assert bool((moved[..., :2] + moved[..., 2:] <= limits + 1e-4).all())


@pytest.mark.parametrize("name", ["scale", "shift", "tint"])
def test_wrong_jitter(name):
    with pytest.raises(NhotError, match=f"{name.capitalize()} of a jitter must be 0 or more"):
        Jitter(**{name: 1.0})


def maps_of(boxes, labels, size=SIZE):
    return np.stack([
        targets(box[kinds != NONE], kinds[kinds != NONE], classes=2, shape=size)
        for box, kinds in zip(boxes, labels, strict=True)
    ])


def test_loss_is_that_of_the_maps_of_real_objects():
    images, boxes, labels = batch(2)
    maps = maps_of(boxes.numpy(), labels.numpy())
    output = np.random.default_rng(0).normal(size=maps.shape).astype(np.float32)
    expected = detection_loss(torch.from_numpy(output), torch.from_numpy(maps))
    assert CentreLoss(2)(Given(output), images, boxes, labels) == expected


def test_perfect_maps_are_precise():
    images, boxes, labels = (tensor.numpy() for tensor in batch(5, 11))
    maps = maps_of(boxes, labels)
    heatmap = np.clip(maps[:, :2], 1e-4, 1 - 1e-4)
    maps[:, :2] = np.log(heatmap / (1 - heatmap))
    objects = [
        Objects(box[kinds != NONE], kinds[kinds != NONE], np.zeros((kinds != NONE).sum(), bool))
        for box, kinds in zip(boxes, labels, strict=True)
    ]
    precision = Precision(images, objects, CLASSES)
    assert precision(Given(maps)) == 1.0
    assert precision.figures(Given(maps))["classes"] == {
        name: {"AP": 1.0, "AP50": 1.0} for name in CLASSES
    }
    maps[:, :2] = -9.0
    assert precision(Given(maps)) == 0.0


def test_study_from_files_to_records(folder, tmp_path, monkeypatch):
    runner = Runner(SHORT, open_study(SHORT, folder), tmp_path)
    names = ("float", "2hot")
    records = {name: runner.run(SHORT.row(name), 0) for name in names}
    assert list(records["2hot"].stages) == ["rounded", "int8", "2hot"]
    for record in records.values():
        assert 0 <= record.score == record.facts["mAP"] <= record.facts["AP50"] <= 1
        assert set(record.facts["classes"]) == set(CLASSES)
    assert not records["float"].counts
    assert (records["2hot"].most_terms, records["2hot"].bits_per_weight) == (2.0, 7.0)
    # What is done is neither trained nor measured again.
    monkeypatch.setattr(runner, "measure", None)
    assert {name: runner.run(SHORT.row(name), 0) for name in names} == records
    assert sorted(load_records(tmp_path), key=lambda one: names.index(one.row)) == [
        records[name] for name in names
    ]


def test_measured_model_is_the_integer_network(folder):
    runner = Runner(SHORT, open_study(SHORT, folder), folder)
    model = quantize(
        runner._fresh(SHORT.row("float"), 0), "2hot", runner.samples, input_range=runner.input_range
    )
    network = to_network(model, "detector")
    images = runner.measure.images
    integers = run(network, to_integers(network.input, images))
    output = network.output
    values = ((integers - output.zero_point) * output.scale).astype(np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(images)).numpy()
    np.testing.assert_array_equal(values.transpose(0, 3, 1, 2), expected)


def test_mistakes(folder, tmp_path, capsys):
    with pytest.raises(NhotError, match=r"Categories .* must be 5, not 2: red, green"):
        open_study(replace(SHORT, options={"classes": 5}), folder)
    arguments = ["study", "bccd-centernet", "-o", str(tmp_path / "runs")]
    for data, text in (
        ([], "--data must name the folder of the data set coco"),
        (["--data", str(tmp_path)], "must be"),
        (["--data", str(folder)], "Categories of the data set of study bccd-centernet must be 3"),
    ):
        assert main([*arguments, *data]) == 2
        assert text in capsys.readouterr().err
    (tmp_path / "train.json").write_bytes((folder / "train.json").read_bytes())
    (tmp_path / "images").symlink_to(folder / "images")
    assert main([*arguments, "--data", str(tmp_path)]) == 2
    assert "Split must be one of train, not 'test'" in capsys.readouterr().err
