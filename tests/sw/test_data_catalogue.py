"""Data sets found by their layout, and the one error where there is none."""

import json
import sys
import wave

import numpy as np
import pytest

from nhot.errors import MissingToolError, NhotError
from nhot.experiments.data import (
    LAYOUTS,
    ImageFolder,
    cifar10,
    coco_metrics,
    load_arrays,
    load_digits,
    open_data,
)
from nhot.experiments.data.audio import LogMel
from nhot.experiments.data.toyadmos import ToyAdmos
from nhot.quant import load_data

RATE = 16_000


def write_image(path, size=(4, 4)):
    image = pytest.importorskip("PIL.Image")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.new("RGB", size, (0, 51, 255)).save(path)


def write_wav(path, seconds=1.0):
    pytest.importorskip("scipy")
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(seconds * RATE)) / RATE
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((1000 * np.sin(500 * time)).astype("<i2").tobytes())


def make_cifar10(folder):
    place = folder / "cifar-10-batches-bin"
    place.mkdir()
    for name in (*cifar10.TRAIN, cifar10.TEST):
        (place / f"{name}.bin").write_bytes(bytes([7] + [255] * 3072) * cifar10.SAMPLES)


def make_speech_commands(folder):
    write_wav(folder / "_background_noise_" / "pink.wav", 12)
    for split, list_ in enumerate(("train", "validation_list.txt", "testing_list.txt")):
        write_wav(folder / "yes" / f"{split}.wav")
        (folder / list_).write_text(f"yes/{split}.wav\n", encoding="utf-8")
    (folder / "train").unlink()


def make_toyadmos(folder):
    for name in ("train/normal_id_01_0", "test/normal_id_01_1", "test/anomaly_id_01_0"):
        write_wav(folder / f"{name}.wav", 2)


def make_coco(folder):
    write_image(folder / "images" / "a.png")
    (folder / "train.json").write_text(json.dumps({
        "images": [{"id": 1, "file_name": "a.png", "width": 4, "height": 4}],
        "categories": [{"id": 1, "name": "dot"}],
        "annotations": [],
    }), encoding="utf-8")


def make_image_folder(folder):
    write_image(folder / "train" / "dot" / "a.png")
    write_image(folder / "test" / "dot" / "b.png")


MAKERS = {
    "cifar10": make_cifar10, "speech-commands": make_speech_commands, "toyadmos": make_toyadmos,
    "coco": make_coco, "image-folder": make_image_folder,
}
SIZES = {"coco": 4, "image-folder": 4}


@pytest.fixture(autouse=True)
def _small_files(monkeypatch):
    monkeypatch.setattr(cifar10, "SAMPLES", 2)


@pytest.mark.parametrize(("name", "shape", "train", "test"), [
    ("cifar10", (3, 32, 32), 10, 2),
    ("speech-commands", (1, 49, 10), 2, 2),
    ("toyadmos", (9, 640), 1, 2),
    ("coco", (3, 4, 4), 1, None),
    ("image-folder", (3, 4, 4), 1, 1),
])
def test_layouts(tmp_path, name, shape, train, test):
    MAKERS[name](tmp_path)
    splits = open_data(tmp_path, size=SIZES.get(name))
    assert splits.train[0][0].shape == shape
    assert len(splits.train) == train
    assert (splits.test and len(splits.test)) == test
    assert splits.classes
    assert open_data(str(tmp_path), layout=name, size=SIZES.get(name)).classes == splits.classes
    x, y = load_arrays(tmp_path, size=SIZES.get(name))
    np.testing.assert_array_equal(x[:9] if name == "toyadmos" else x[0], splits.train[0][0])
    assert (y is None) == (name == "coco")
    if test is not None:
        x, y = load_data(tmp_path, split="test", size=SIZES.get(name), most=1)
        assert x.shape == (shape if name == "toyadmos" else (1, *shape))
        assert len(y) == len(x)
    others = [layout for other, layout in LAYOUTS.items() if other not in {name, "image-folder"}]
    assert not any(layout.fits(tmp_path) for layout in others)


def test_npz_file(tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, x=np.zeros((3, 2)), y=[0, 1, 2])
    splits = open_data(path)
    assert (len(splits.train), splits.test, splits.classes) == (3, None, ())
    np.savez(path, x=np.zeros((3, 2)))
    with pytest.raises(NhotError, match=r"own.npz must have an array y of labels besides x"):
        open_data(path)
    path.write_bytes(path.read_bytes().replace(b"PK\x01\x02", b"PK\x01\x02" + bytes(9)))
    with pytest.raises(NhotError, match=r"own.npz' must be an npz file of numbers"):
        open_data(path)
    with pytest.raises(NhotError, match="could not be read: Is a directory"):
        open_data(tmp_path, layout="npz")


def test_unknown_folder(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(NhotError) as caught:
        open_data(tmp_path)
    text = str(caught.value)
    assert all(layout.expected in text for layout in LAYOUTS.values())
    assert text.endswith("there is a folder of notes.txt")
    assert "\n" not in text
    with pytest.raises(NhotError, match="absent' must exist, and does not"):
        open_data(tmp_path / "absent")


@pytest.mark.parametrize("name", MAKERS)
def test_folder_of_another_layout(tmp_path, name):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(NhotError) as caught:
        open_data(tmp_path, layout=name, size=SIZES.get(name))
    assert LAYOUTS[name].expected in str(caught.value)
    assert str(caught.value).endswith("there is a folder of notes.txt")


def test_bad_options(tmp_path):
    with pytest.raises(NhotError, match=r"Layout must be one of npz, cifar10, .*, not 'mnist'"):
        open_data(tmp_path, layout="mnist")
    with pytest.raises(NhotError, match="Size must not be given for cifar10"):
        open_data(tmp_path, layout="cifar10", size=32)
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 1, 4, 4)))
    with pytest.raises(NhotError, match=r"Size must not be given for npz, .*, not 8"):
        load_arrays(tmp_path / "x.npz", size=8)
    (tmp_path / "x.npz").unlink()
    make_image_folder(tmp_path)
    with pytest.raises(NhotError, match="Size must be given for the images of"):
        open_data(tmp_path)


def test_toyadmos(tmp_path):
    make_toyadmos(tmp_path)
    test = ToyAdmos(tmp_path, "test")
    assert [(path.name, label) for path, label in test.files] == [
        ("normal_id_01_1.wav", 0), ("anomaly_id_01_0.wav", 1)]
    assert ToyAdmos(tmp_path, "train", features=LogMel(part=(0, 20)))[0][0].shape == (16, 640)
    np.testing.assert_array_equal(load_arrays(tmp_path, split="test")[1], [0] * 9 + [1] * 9)
    write_wav(tmp_path / "test" / "anomaly_id_01_0.wav", 2.5)
    with pytest.raises(NhotError, match=r"Sample 1 must have the shape of the first, \(9, 640\), "):
        load_arrays(tmp_path, split="test")
    write_wav(tmp_path / "test" / "normal_id_01_1.wav")
    with pytest.raises(NhotError, match=r"normal_id_01_1.wav' must be long enough for 5 frames"):
        test[0]
    with pytest.raises(NhotError, match="Split must be one of train, test, not 'validation'"):
        ToyAdmos(tmp_path, "validation")


@pytest.mark.parametrize(("package", "name"), [
    ("PIL", "image-folder"), ("PIL", "coco"), ("scipy", "speech-commands"),
])
def test_missing_packages_are_named(tmp_path, monkeypatch, package, name):
    MAKERS[name](tmp_path)
    data = open_data(tmp_path, size=SIZES.get(name)).train
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingToolError, match=r"pip install 'nhot\[data\]'"):
        data[0]
    if name == "image-folder":  # a missing package is no damage
        with pytest.raises(MissingToolError):
            ImageFolder(tmp_path / "train", size=4, skip_damaged=True)


def test_missing_scikit_learn_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingToolError, match=r"pip install 'nhot\[quant\]'"):
        load_digits()


def test_missing_pycocotools_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    with pytest.raises(MissingToolError, match=r"pip install 'nhot\[data\]'"):
        coco_metrics([], [], [])
