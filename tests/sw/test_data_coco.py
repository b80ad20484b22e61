"""Annotated objects: boxes in the network's pixels, errors, and average precision."""

import json
import zipfile

import numpy as np
import pytest

from nhot.errors import NhotError
from nhot.experiments.data import coco as coco_module
from nhot.experiments.data.coco import Coco, Objects
from nhot.experiments.data.coco_metrics import Detections, coco_metrics
from nhot.experiments.data.coco_splits import is_coco, open_coco

Image = pytest.importorskip("PIL.Image")

CONTENT = {
    "images": [
        {"id": 7, "file_name": "a.png", "width": 20, "height": 10},
        {"id": 9, "file_name": "b.png", "width": 10, "height": 10},
    ],
    "categories": [{"id": 30, "name": "cell"}, {"id": 4, "name": "dot"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 30, "bbox": [4, 2, 8, 5], "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 4, "bbox": [0, 0, 20, 10], "iscrowd": 1},
    ],
}


def write(folder, name="train.json", **changes):
    (folder / "images").mkdir(exist_ok=True)
    for image in CONTENT["images"]:
        Image.new("RGB", (image["width"], image["height"]), (51, 0, 255)).save(
            folder / "images" / image["file_name"])
    (folder / name).write_text(json.dumps(CONTENT | changes), encoding="utf-8")
    return folder / name, folder / "images"


def boxed(*boxes):
    return [{"id": 5, "image_id": 9, "category_id": 4, "bbox": list(box)} for box in boxes]


def test_scene(tmp_path):
    data = Coco(*write(tmp_path), size=(20, 10))
    assert (len(data), data.names, data.classes) == (2, ["a.png", "b.png"], ("dot", "cell"))
    image, boxes, labels = data[0]
    assert (image.shape, image.dtype) == ((3, 20, 10), np.float32)
    np.testing.assert_array_equal(image[:, 3, 3], np.float32([0.2, 0, 1]))
    # Half as wide and twice as high as the original, and so are boxes; crowds are left aside.
    np.testing.assert_array_equal(boxes, np.float32([[2, 4, 4, 10]]))
    np.testing.assert_array_equal(labels, [1])
    np.testing.assert_array_equal(data.objects[0].crowd, [False, True])
    empty = data[1]
    assert (empty.boxes.shape, empty.labels.shape) == ((0, 4), (0,))
    with pytest.raises(IndexError):
        data[2]


def test_boxes_beyond_the_image(tmp_path):
    boxes = boxed((-2, 8, 5, 5), (10, 0, 4, 4), (3, 3, 0, 2), (3, 3, 2, -1), (-5, -5, 5, 5))
    data = Coco(*write(tmp_path, annotations=boxes), size=10)
    np.testing.assert_array_equal(data[1].boxes, np.float32([[0, 8, 3, 2]]))
    assert data.left_out == 4


@pytest.mark.parametrize("prefix", ["", "photographs/"])
def test_zip_file(tmp_path, prefix):
    annotations, images = write(tmp_path)
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for path in images.iterdir():
            archive.write(path, prefix + path.name)
    zipped = Coco(annotations, tmp_path / "images.zip", size=8)
    np.testing.assert_array_equal(zipped[0].image, Coco(annotations, images, size=8)[0].image)


def test_damaged_zip_file(tmp_path):
    annotations, images = write(tmp_path)
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for image in sorted(images.iterdir()):
            archive.write(image, image.name)
    content = bytearray(path.read_bytes())
    content[40:60] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(NhotError, match=r"Image 'a.png' of .*images.zip' could not be read"):
        Coco(annotations, path, size=8)[0]
    path.write_bytes(content[:50])
    with pytest.raises(NhotError, match="must be a folder or a zip file of images"):
        Coco(annotations, path, size=8)


def test_zip_files_of_another_version(tmp_path):
    """Which zipfile knows nothing of, and says by an error of its own kind."""
    annotations, images = write(tmp_path)
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for image in images.iterdir():
            archive.write(image, image.name)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 6] = 99  # the version that is needed to extract it
    path.write_bytes(content)
    with pytest.raises(NhotError, match=r"images\.zip' must be a folder or a zip file of images"):
        Coco(annotations, path, size=8)


def test_images_are_decoded_once(tmp_path, monkeypatch):
    annotations, images = write(tmp_path)
    cached = Coco(annotations, images, size=8)
    monkeypatch.setattr(coco_module, "CACHE_BYTES", 0)
    not_cached = Coco(annotations, images, size=8)
    first = cached[0].image, not_cached[0].image
    np.testing.assert_array_equal(*first)
    (images / "a.png").unlink()
    np.testing.assert_array_equal(cached[0].image, first[0])
    with pytest.raises(NhotError, match=r"a.png' must exist"):
        not_cached[0]


@pytest.mark.parametrize(("changes", "message"), [
    ({"images": [1]}, r"Annotations .*train.json' images\[0\] must be an object, not 1"),
    ({"annotations": None}, "annotations must be a list, not None"),
    ({"categories": []}, "Categories must be at least one, not none"),
    ({"categories": [{"id": 1}]}, r"categories\[0\] must have the field 'name', which is missing"),
    ({"categories": [{"id": 1, "name": "a"}] * 2}, "Ids of categories must differ, not 1 twice"),
    ({"images": CONTENT["images"][:1] * 2}, "Ids of images must differ, not 7 twice"),
    ({"images": [{"id": 1, "file_name": "a.png", "width": 0, "height": 3}]},
     r"images\[0\]: Image 'a.png' width must be 1 to 1e\+09, not 0"),
    ({"images": [{"id": 7, "file_name": "z.png", "width": 2, "height": 3}]},
     "Image 'z.png' must be in .*images', and is not"),
    ({"annotations": [{"id": 3, "image_id": 8, "category_id": 4, "bbox": [0, 0, 1, 1]}]},
     r"train.json': Annotation 3 must be of an image in the file, not 8"),
    ({"annotations": [{"id": 3, "image_id": [7], "category_id": 4, "bbox": [0, 0, 1, 1]}]},
     r"annotations\[0\]\.image_id must be a whole number, not \[7\]"),
    ({"annotations": [{"id": 3, "image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1]}]},
     "must be of a category in the file, not 1"),
    ({"annotations": boxed((0, 0, 1))}, r"annotations\[0\]\.bbox must have more entries than 3"),
    ({"categories": [{"id": float("inf"), "name": "dot"}]}, r"categories\[0\]\.id must be a whole"),
    ({"annotations": boxed((0, 0, 1, 10**400))}, r"bbox\[3\] must be a finite number, not 1"),
    ({"annotations": boxed((0, 0, 1, float("nan")))}, r"bbox\[3\] must be a finite number, not n"),
    ({"annotations": boxed((0, 0, 1, 1e10))}, "Annotation 5 bbox must be of numbers within 1e"),
])
def test_bad_annotations(tmp_path, changes, message):
    with pytest.raises(NhotError, match=message):
        Coco(*write(tmp_path, **changes), size=8)


def test_bad_files(tmp_path):
    annotations, images = write(tmp_path)
    Image.new("RGB", (3, 3)).save(images / "a.png")
    with pytest.raises(NhotError, match=r"'a.png' must be 20 x 10 as in .*, not 3 x 3"):
        Coco(annotations, images, size=8)[0]
    annotations.write_text("{", encoding="utf-8")
    with pytest.raises(NhotError, match=r"train.json' must be JSON"):
        Coco(annotations, images, size=8)
    with pytest.raises(NhotError, match=r"absent.json' must exist"):
        Coco(tmp_path / "absent.json", images, size=8)


def test_splits_of_an_own_folder(tmp_path):
    write(tmp_path)
    write(tmp_path, "test.json")
    splits = open_coco(tmp_path, size=8)
    assert (len(splits.train), splits.validation, len(splits.test)) == (2, None, 2)
    assert splits.classes == ("dot", "cell")
    write(tmp_path, "val.json", categories=[*CONTENT["categories"], {"id": 50, "name": "rod"}])
    with pytest.raises(NhotError, match=r"val.json' must be those of the train split, dot, cell,"):
        open_coco(tmp_path, size=8)


def test_splits_as_published(tmp_path):
    (tmp_path / "annotations").mkdir()
    write(tmp_path, "annotations/instances_train2017.json")
    (tmp_path / "annotations" / "person_keypoints_train2017.json").touch()
    (tmp_path / "images").rename(tmp_path / "train2017")
    assert is_coco(tmp_path)
    assert len(open_coco(tmp_path, size=8).train) == 2
    (tmp_path / "train2017").rename(tmp_path / "elsewhere")
    assert not is_coco(tmp_path)
    with pytest.raises(NhotError, match=r"with the images of 'instances_train2017.json'"):
        open_coco(tmp_path, size=8)
    with pytest.raises(NhotError, match=r"must be COCO instances .* a folder of a.png, b.png"):
        open_coco(tmp_path / "elsewhere", size=8)


BOXES = np.array([[0, 0, 10, 10], [20, 20, 8, 8], [40, 0, 10, 10]], np.float32)
LABELS = np.array([0, 1, 0])
TRUTH = Objects(BOXES, LABELS, np.zeros(3, bool))
NONE = Detections(np.empty((0, 4)), np.empty(0), np.empty(0, int))


def found(boxes, labels=LABELS, scores=(0.9, 0.8, 0.7)):
    return Detections(np.asarray(boxes, np.float32), np.asarray(scores), np.asarray(labels))


def test_metrics_of_perfect_detections(capsys):
    pytest.importorskip("pycocotools")
    metrics = coco_metrics([TRUTH, TRUTH], [found(BOXES)] * 2, ["dot", "cell", "absent"])
    assert metrics["mAP"] == pytest.approx(1)
    assert metrics["AP75"] == pytest.approx(1)
    assert set(metrics["classes"]) == {"dot", "cell"}
    assert metrics["classes"]["cell"] == pytest.approx({"AP": 1, "AP50": 1})
    assert capsys.readouterr().out == ""


def test_metrics_by_hand():
    pytest.importorskip("pycocotools")
    # Boxes of class 0 overlap by 8/10 + 2/10 more: IoU 80/120 = 2/3, right up to 0.65: 4 of 10.
    shifted = BOXES + np.float32([[2, 0, 0, 0], [0, 0, 0, 0], [2, 0, 0, 0]])
    metrics = coco_metrics([TRUTH], [found(shifted)], ["dot", "cell"])
    assert metrics["classes"]["dot"] == pytest.approx({"AP": 0.4, "AP50": 1})
    assert metrics["mAP"] == pytest.approx(0.7)
    assert metrics["AP75"] == pytest.approx(0.5)
    # One of two objects found: precision is 1 up to a recall of 0.5, at 51 of 101 points.
    half = coco_metrics([TRUTH], [found(BOXES[:2], LABELS[:2], (0.9, 0.8))], ["dot", "cell"])
    assert half["classes"]["dot"]["AP"] == pytest.approx(51 / 101)
    assert coco_metrics([TRUTH], [NONE], ["dot", "cell"])["mAP"] == 0


def test_crowds_are_no_mistakes():
    pytest.importorskip("pycocotools")
    crowd = Objects(BOXES, LABELS, np.array([False, False, True]))
    metrics = coco_metrics([crowd], [found(BOXES)], ["dot", "cell"])
    assert metrics["mAP"] == pytest.approx(1)


@pytest.mark.parametrize(("truth", "detections", "message"), [
    ([TRUTH], [], "Detections must be of 1 images, not 0"),
    ([Objects(BOXES[:0], LABELS[:0], np.zeros(0, bool))], [NONE], "must have at least one object"),
    ([TRUTH], [found(BOXES, [0, 1, 2])], "Labels must be 0 to 1, not 2"),
])
def test_bad_metrics(truth, detections, message):
    pytest.importorskip("pycocotools")
    with pytest.raises(NhotError, match=message):
        coco_metrics(truth, detections, ["dot", "cell"])
