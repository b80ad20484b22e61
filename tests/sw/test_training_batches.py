"""What an epoch goes through: batches, for one process or several; data sets; crops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nhot.errors import NhotError
from nhot.experiments.training import Batches, CropFlip
from nhot.experiments.training.batches import as_data, collate
from nhot.experiments.training.ranks import Ranks


def points() -> tuple[np.ndarray, np.ndarray]:
    """Samples and labels."""
    return np.arange(360, dtype=np.float32).reshape(60, 6), np.arange(60) % 3


class Points:
    """A data set that gives one sample at a time."""

    def __len__(self):
        return 60

    def __getitem__(self, index):
        x, y = points()
        return x[index], y[index]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_processes_share_a_batch(size):
    data = (np.arange(50),)
    alone = list(Batches(data, 12).epoch(torch.Generator().manual_seed(3)))
    assert [count for count, _ in alone] == [12, 12, 12, 12, 2]
    shares = [
        list(Batches(data, 12, Ranks(rank, size)).epoch(torch.Generator().manual_seed(3)))
        for rank in range(size)
    ]
    for step, parts in enumerate(zip(*shares, strict=True)):
        together = sorted(value for _, (part,) in parts for value in part.tolist())
        assert together == sorted(alone[step][1][0].tolist())
    # Two samples are too few for two processes.
    assert len(shares[0]) == (5 if size == 1 else 4)


def test_an_epoch_goes_on_where_it_was():
    batches = Batches((np.arange(50),), 12)
    whole = list(batches.epoch(torch.Generator().manual_seed(3)))
    rest = list(batches.epoch(torch.Generator().manual_seed(3), start=3))
    assert [batch[0].tolist() for _, batch in rest] == [batch[0].tolist() for _, batch in whole[3:]]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_data_set_gives_the_same_as_arrays(workers):
    state = torch.random.get_rng_state()
    pairs = zip(
        Batches(points(), 16).epoch(torch.Generator()),
        Batches(Points(), 16, workers=workers).epoch(torch.Generator()), strict=True,
    )
    for (_, one), (_, other) in pairs:
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_data_are_one_array_several_or_a_data_set():
    x, y = points()
    data = as_data((x, y))
    assert as_data(data) is data
    sample, label = data[4]
    assert (sample.tolist(), int(label)) == (x[4].tolist(), y[4])
    for one in (x, torch.from_numpy(x)):
        assert torch.equal(as_data(one).tensors[0], data.tensors[0])
    with pytest.raises(NhotError, match=r"^Data must have at least one sample$"):
        as_data({})


@pytest.mark.parametrize(("data", "message"), [
    ((np.zeros(3), np.zeros(4)), r"same number of samples, not \(3,\), \(4,\)"),
    ((), "at least one array"),
    (7, "tuple of arrays, or have __len__ and __getitem__, not int"),
    (([[1.0], [1.0, 2.0]],), "arrays of numbers, each of one type and shape"),
    ((np.array(["a", "b"]),), "arrays of numbers"),
    ((np.array([1.0, np.nan]),), "Data must be finite numbers"),
    ((np.zeros((1, 2)),), "Batches must have at least 2 samples, not 1"),
])
def test_bad_data_are_refused(data, message):
    with pytest.raises(NhotError, match=message):
        Batches(data, 8)


def test_samples_of_different_shapes_are_refused():
    with pytest.raises(NhotError, match=r"must have one shape, not \[\(2,\), \(3,\)\]"):
        collate([(np.zeros(2),), (np.zeros(3),)])
    with pytest.raises(NhotError, match="must all have as many arrays as the first"):
        collate([(np.zeros(2), 1), np.zeros(2)])


def test_arrays_that_cannot_be_written_are_copied():
    x, y = points()
    x.flags.writeable = False
    assert len(Batches((x[::-1], y), 8).data) == 60


def test_crops_and_flips_are_windows_of_the_padded_image():
    x = torch.arange(1, 2 * 3 * 4 * 5 + 1).reshape(2, 3, 4, 5).float().repeat(40, 1, 1, 1)
    labels = torch.arange(80)
    out, kept = CropFlip(2)((x, labels), torch.Generator().manual_seed(0))
    assert out.shape == x.shape
    assert torch.equal(kept, labels)
    padded = nn.functional.pad(x, [2] * 4)
    seen = set()
    for image, wide in zip(out, padded, strict=True):
        found = [
            (top, left, flip) for top in range(5) for left in range(5) for flip in (False, True)
            if torch.equal(
                image.flip(2) if flip else image, wide[:, top : top + 4, left : left + 5]
            )
        ]
        assert len(found) == 1
        seen.add(found[0])
    assert len(seen) > 30
    again, _ = CropFlip(2)((x, labels), torch.Generator().manual_seed(0))
    assert torch.equal(out, again)


def test_no_augmentation_changes_nothing():
    x = torch.rand(3, 1, 4, 4)
    assert torch.equal(CropFlip(0, flip=False)((x,), torch.Generator())[0], x)


def test_augmentation_needs_images():
    with pytest.raises(NhotError, match=r"Images must have shape .* not \(3, 4\)"):
        CropFlip()((torch.zeros(3, 4),), torch.Generator())
    with pytest.raises(NhotError, match=r"^Padding must be at least 0, not -1$"):
        CropFlip(-1)
