"""Folders of images: what is loaded, and what is said of damage."""

import numpy as np
import pytest

from nhot.errors import NhotError
from nhot.experiments.data.image_folder import ImageFolder, is_image_folder, open_image_folder
from nhot.experiments.data.images import as_size
from nhot.experiments.data.samples import Arrays, Splits, stack

Image = pytest.importorskip("PIL.Image")


def write(path, *, size=(4, 4), colour=(255, 0, 51)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def root(tmp_path):
    for split in ("train", "val"):
        write(tmp_path / split / "dog" / "b.png")
        write(tmp_path / split / "cat" / "deeper" / "a.JPG", colour=(102, 102, 102))
    write(tmp_path / "train" / "cat" / "c.png", size=(6, 2), colour=(0, 0, 0))
    (tmp_path / "train" / "notes.txt").touch()
    (tmp_path / "train" / ".cache").mkdir()
    return tmp_path


def test_samples(root):
    data = ImageFolder(root / "train", size=(2, 3))
    assert data.classes == ("cat", "dog")
    assert [path.name for path, _ in data.files] == ["c.png", "a.JPG", "b.png"]
    image, label = data[2]
    assert (image.dtype, image.shape, label) == (np.float32, (3, 2, 3), 1)
    np.testing.assert_array_equal(image[:, 0, 0], np.float32([1, 0, 0.2]))
    with pytest.raises(IndexError):
        data[3]


def test_middle_is_kept(tmp_path):
    path = tmp_path / "a" / "wide.png"
    path.parent.mkdir()
    pixels = np.zeros((2, 6, 3), np.uint8)
    pixels[:, 2:4] = 255
    Image.fromarray(pixels).save(path)
    image, _ = ImageFolder(tmp_path, size=2)[0]
    np.testing.assert_array_equal(image, np.ones((3, 2, 2)))


def test_grey_and_palette(tmp_path):
    (tmp_path / "a").mkdir()
    Image.new("L", (2, 2), 51).save(tmp_path / "a" / "1.png")
    Image.new("P", (2, 2), 0).save(tmp_path / "a" / "2.png")
    data = ImageFolder(tmp_path, size=2)
    np.testing.assert_array_equal(data[0][0], np.full((3, 2, 2), np.float32(0.2)))
    assert data[1][0].shape == (3, 2, 2)


def test_splits(root):
    splits = open_image_folder(root, size=2)
    assert (len(splits.train), len(splits.validation), splits.test) == (3, 2, None)
    assert splits.classes == ("cat", "dog")
    assert splits.split("validation") is splits.validation
    with pytest.raises(NhotError, match="Split must be one of train, validation, not 'test'"):
        splits.split("test")
    alone = open_image_folder(root / "val", size=2)
    assert (len(alone.train), alone.validation) == (2, None)
    write(root / "val" / "horse" / "x.png")
    with pytest.raises(NhotError, match="horse' must be one of the classes cat, dog"):
        open_image_folder(root, size=2)


def test_damaged_image(root):
    path = root / "train" / "cat" / "deeper" / "a.JPG"
    write(path, size=(64, 64))
    path.write_bytes(path.read_bytes()[:-200])
    data = ImageFolder(root / "train", size=2)
    with pytest.raises(NhotError, match=r"a.JPG' must be a whole image file"):
        data[1]
    (root / "train" / "dog" / "b.png").write_text("no image", encoding="utf-8")
    skipping = ImageFolder(root / "train", size=2, skip_damaged=True)
    assert [path.name for path in skipping.skipped] == ["a.JPG", "b.png"]
    assert len(skipping) == 1
    assert skipping[0][1] == 0


def test_removed_image(root):
    data = ImageFolder(root / "train", size=2)
    data.files[0][0].unlink()
    with pytest.raises(NhotError, match=r"c.png' must exist"):
        data[0]


def test_empty_folders(root, tmp_path):
    (root / "train" / "ape").mkdir()
    with pytest.raises(NhotError, match=r"ape' must be a folder of images, .* an empty folder"):
        ImageFolder(root / "train", size=2)
    with pytest.raises(NhotError, match=r"must be an image folder .* no such path"):
        ImageFolder(root / "absent", size=2)
    assert is_image_folder(root)
    assert not is_image_folder(root / "train" / "dog")
    assert not is_image_folder(root / "absent")


def test_sizes():
    assert as_size(3) == (3, 3)
    with pytest.raises(NhotError, match="must be 1 x 1 to 16384 x 16384, not 0 x 2"):
        as_size((0, 2))


def test_stack(root):
    data = ImageFolder(root / "train", size=2)
    arrays = stack(data)
    assert arrays.x.shape == (3, 3, 2, 2)
    np.testing.assert_array_equal(arrays.y, [0, 0, 1])
    assert stack(arrays) is arrays
    np.testing.assert_array_equal(stack(data, 2).x, arrays.x[[0, 1]])
    features, label = arrays[2]
    np.testing.assert_array_equal(features, data[2][0])
    assert label == 1
    with pytest.raises(NhotError, match="must be at least 1, not 0"):
        stack(data, 0)
    with pytest.raises(NhotError, match=r"^Samples must be at least one, not none$"):
        stack([])
    nothing = Arrays(arrays.x[:0], arrays.y[:0])
    assert len(Splits(train=nothing).train) == 0
