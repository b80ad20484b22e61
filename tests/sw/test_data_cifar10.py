"""CIFAR-10 in both of its layouts, and what is said of damaged files."""

import pickle
import struct

import numpy as np
import pytest

from nhot.errors import NhotError
from nhot.experiments.data import cifar10, load_cifar10

SAMPLES = 4
NAMES = [*cifar10.TRAIN, cifar10.TEST]


@pytest.fixture(autouse=True)
def _small_files(monkeypatch):
    monkeypatch.setattr(cifar10, "SAMPLES", SAMPLES)


def records():
    """Pixels (6 files, samples, 3072) and labels (6 files, samples), all uint8."""
    rng = np.random.default_rng(0)
    shape = (len(NAMES), SAMPLES)
    return rng.integers(0, 256, (*shape, 3072), np.uint8), rng.integers(0, 10, shape, np.uint8)


def write_binary(parent):
    folder = parent / "cifar-10-batches-bin"
    folder.mkdir()
    for name, x, y in zip(NAMES, *records(), strict=True):
        (folder / f"{name}.bin").write_bytes(np.column_stack([y, x]).tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(cifar10.CLASSES), encoding="utf-8")
    return folder


def text(value):
    """A string as Python 2 pickles it."""
    return b"U" + bytes([len(value)]) + value.encode()


def python2_pickle(x, y):
    """A batch byte by byte as the official files have it: protocol 2, written by Python 2."""
    content = x.tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text("b") + b"\x87R"
        b"(K\x01M" + struct.pack("<H", len(x)) + b"M\x00\x0c\x86"
        b"cnumpy\ndtype\n" + text("u1") + b"K\x00K\x01\x87R"
        b"(K\x03" + text("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89T" + struct.pack("<i", len(content)) + content + b"tb"
    )
    labels = b"](" + b"".join(b"K" + bytes([label]) for label in y) + b"e"
    return (
        b"\x80\x02}(" + text("batch_label") + text("training batch 1 of 5")
        + text("labels") + labels + text("data") + array
        + text("filenames") + b"](" + text("leptodactylus.png") + b"eu."
    )


def write_python(parent, dump=python2_pickle):
    folder = parent / "cifar-10-batches-py"
    folder.mkdir()
    for name, x, y in zip(NAMES, *records(), strict=True):
        (folder / name).write_bytes(dump(x, y))
    return folder


def python3_pickle(protocol):
    return lambda x, y: pickle.dumps({"data": x, "labels": y.tolist()}, protocol)


def check(data):
    x, y = records()
    expected = (x.reshape(-1, 3, 32, 32) / 255).astype(np.float32)
    np.testing.assert_array_equal(data.train_x, expected[:5 * SAMPLES])
    np.testing.assert_array_equal(data.test_x, expected[5 * SAMPLES:])
    np.testing.assert_array_equal(data.train_y, y[:5].reshape(-1))
    np.testing.assert_array_equal(data.test_y, y[5])
    assert (data.train_x.dtype, data.train_y.dtype) == (np.float32, np.int64)
    assert data.input_range == (0.0, 1.0)
    assert data.classes[:2] == ("airplane", "automobile")


@pytest.mark.parametrize("write", [write_binary, write_python])
def test_folder_or_its_parent(tmp_path, write):
    folder = write(tmp_path)
    check(load_cifar10(folder))
    check(load_cifar10(str(tmp_path)))


@pytest.mark.parametrize("protocol", [3, 4])
def test_pickles_written_again(tmp_path, protocol):
    check(load_cifar10(write_python(tmp_path, python3_pickle(protocol))))


def test_wrong_folder(tmp_path):
    with pytest.raises(NhotError, match=r"must be CIFAR-10 .*test_batch.*; there is an empty fol"):
        load_cifar10(tmp_path)
    for name in "abcdefg":
        (tmp_path / name).touch()
    with pytest.raises(NhotError, match="there is a folder of a, b, c, d, e and 2 more"):
        load_cifar10(tmp_path)
    with pytest.raises(NhotError, match="there is no such path"):
        load_cifar10(tmp_path / "absent")
    with pytest.raises(NhotError, match="there is a file of 0 bytes"):
        load_cifar10(tmp_path / "a")


@pytest.mark.parametrize("write", [write_binary, write_python])
def test_missing_file(tmp_path, write):
    folder = write(tmp_path)
    next(folder.glob("data_batch_3*")).unlink()
    with pytest.raises(NhotError, match=r"data_batch_3.* must exist; there is a folder of .*data"):
        load_cifar10(folder)


def test_a_folder_in_the_place_of_a_file(tmp_path):
    path = write_binary(tmp_path) / "data_batch_1.bin"
    path.unlink()
    path.mkdir()
    with pytest.raises(NhotError, match=f"^Data file '{path}' could not be read: Is a directory"):
        load_cifar10(tmp_path)


def test_short_files(tmp_path):
    path = write_binary(tmp_path) / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(NhotError, match=r"data_batch_2.bin' must have 12,292 bytes, not 12,291"):
        load_cifar10(tmp_path)
    path = write_python(tmp_path) / "test_batch"
    content = path.read_bytes()
    path.write_bytes(content[:100])
    with pytest.raises(NhotError, match="test_batch' must have at least 12,288 bytes, not 100"):
        load_cifar10(path.parent)
    path.write_bytes(content[:-1])
    with pytest.raises(NhotError, match="test_batch' must be whole and undamaged"):
        load_cifar10(path.parent)


@pytest.mark.parametrize("write", [write_binary, write_python])
def test_label_out_of_range(tmp_path, write, monkeypatch):
    folder = write(tmp_path)
    monkeypatch.setattr(cifar10, "CLASSES", cifar10.CLASSES[:3])
    with pytest.raises(NhotError, match=r"Labels in .*data_batch_1.* must be 0 to 2, not [3-9]"):
        load_cifar10(folder)


class Attack:
    """Runs code where pickles are trusted."""

    def __reduce__(self):
        return print, ("pickle ran",)


def filled(value):
    """A pickle of something, long enough for a batch."""
    return pickle.dumps([value, bytes(SAMPLES * 3072)], 3)


def of_objects():
    """A batch whose array has a list of values, as arrays of objects have."""
    pixels = bytes(SAMPLES * 3072)
    batch = python2_pickle(np.zeros((SAMPLES, 3072), np.uint8), [0] * SAMPLES)
    return batch.replace(b"T" + struct.pack("<i", len(pixels)) + pixels, b"]") + pixels


@pytest.mark.parametrize(("content", "message"), [
    (filled(Attack()), "must hold arrays, lists and text, not builtins.print"),
    (filled(np.zeros(3)), "not an array of type 'f8'"),
    (filled(np.array([None])), "not an array of type 'O8'"),
    (filled(5), "must hold 'data' of"),
    (of_objects(), "must hold arrays, lists and text, not an array of objects"),
    (b"P1\n" + bytes(20_000), "a reference to another file"),
    (bytes(20_000), "must be whole and undamaged"),
    (python2_pickle(np.zeros((5, 3072), np.uint8), []), "must hold 'data' of 4 x 3,072 bytes"),
    (python2_pickle(np.zeros((4, 3072), np.uint8), [1, 2]), "must hold 4 'labels'"),
])
def test_forbidden_pickles(tmp_path, capsys, content, message):
    (write_python(tmp_path) / "data_batch_1").write_bytes(content)
    with pytest.raises(NhotError, match=message):
        load_cifar10(tmp_path)
    assert not capsys.readouterr().out
