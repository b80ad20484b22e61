"""The detector: targets, decoding, loss and shapes."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nhot.errors import NhotError
from nhot.experiments.models import build
from nhot.experiments.models.centernet import decode, targets
from nhot.experiments.models.centernet.loss import detection_loss, focal_loss
from nhot.experiments.models.centernet.targets import OVERLAP, _radius
from nhot.quant import quantize

SHAPE = (96, 128)
BOXES = np.array([[10, 20, 40, 44], [70.5, 8.25, 20, 22], [0, 60, 31, 36], [96, 40, 31, 50.0]])
LABELS = np.array([0, 2, 1, 0])


def as_output(maps: np.ndarray) -> np.ndarray:
    """What a network without an error would give for these targets: logits for probabilities."""
    output = maps.copy()
    heatmap = np.clip(output[:-4], 1e-4, 1 - 1e-4)
    output[:-4] = np.log(heatmap / (1 - heatmap))
    return output


def sorted_by_place(boxes: np.ndarray) -> np.ndarray:
    return boxes[np.lexsort(boxes.T)]


def test_decoding_of_perfect_maps_gives_the_boxes_back():
    maps = targets(BOXES, LABELS, classes=3, shape=SHAPE)
    assert maps.shape == (7, 24, 32)
    assert maps.dtype == np.float32
    found = decode(as_output(maps), threshold=0.9)
    np.testing.assert_allclose(sorted_by_place(found.boxes), sorted_by_place(BOXES), atol=1e-4)
    assert sorted(found.labels) == sorted(LABELS)
    assert (found.scores > 0.999).all()
    for box, label in zip(found.boxes, found.labels, strict=True):
        assert label == LABELS[np.abs(BOXES - box).sum(1).argmin()]


@st.composite
def objects(draw):
    """Boxes within an image whose centres are far enough apart to be peaks of their own."""
    cells = draw(st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 7)), min_size=1, max_size=8, unique=True
    ))
    fraction = st.integers(0, 15).map(lambda sixteenths: sixteenths / 16)
    boxes = []
    for y, x in cells:
        centre = np.array([16 * x + 4 + 4 * draw(fraction), 16 * y + 4 + 4 * draw(fraction)])
        room = np.minimum(centre, [128 - centre[0], 96 - centre[1]])
        half = room * [draw(st.floats(0.1, 1)), draw(st.floats(0.1, 1))]
        boxes.append([*(centre - half), *(2 * half)])
    labels = draw(st.lists(st.integers(0, 1), min_size=len(boxes), max_size=len(boxes)))
    return np.array(boxes), np.array(labels)


@given(objects())
def test_decoding_gives_any_boxes_back(case):
    boxes, labels = case
    maps = targets(boxes, labels, classes=2, shape=SHAPE)
    found = decode(as_output(maps), threshold=0.99)
    np.testing.assert_allclose(sorted_by_place(found.boxes), sorted_by_place(boxes), atol=1e-3)


def test_targets_of_nothing_are_zero():
    assert not targets([], [], classes=2, shape=SHAPE).any()
    assert len(decode(as_output(targets([], [], classes=2, shape=SHAPE))).boxes) == 0


def test_heatmaps_are_gaussians_as_wide_as_objects():
    maps = targets([[24, 24, 16, 16], [64, 16, 48, 48]], [0, 0], classes=1, shape=SHAPE)
    small, large = maps[0, 8], maps[0, 10]
    assert small[8] == large[22] == 1
    assert small[7] == small[9] < large[21] == large[23] < 1
    assert (maps[0] == 1).sum() == 2


def test_of_two_objects_in_a_cell_the_later_gives_the_size():
    maps = targets([[8, 8, 16, 16], [0, 0, 33, 33]], [0, 1], classes=2, shape=SHAPE)
    np.testing.assert_allclose(maps[-4:, 4, 4], [*np.log([33 / 32] * 2), 0.125, 0.125], rtol=1e-6)
    assert maps[:2, 4, 4].tolist() == [1, 1]


@given(st.floats(0.5, 200), st.floats(0.5, 200))
def test_a_box_moved_by_the_radius_has_the_overlap(width, height):
    radius = _radius(width, height)
    shared = (width - radius) * (height - radius)
    assert 0 < radius < min(width, height)
    assert shared / (2 * width * height - shared) == pytest.approx(OVERLAP)


@pytest.mark.parametrize(("boxes", "labels", "shape", "message"), [
    (BOXES, LABELS, (96, 130), r"multiples of 4, not \(96, 130\)"),
    (BOXES, LABELS[:2], SHAPE, r"one a box \(4\), not of shape \(2,\)"),
    (BOXES, LABELS + 1, SHAPE, "Labels must be 0 to 2, not 1 to 3"),
    ([[5, 5, 0, 9]], [0], SHAPE, "Box 0 must be x, y, width, height"),
    ([[100, 5, 60, 9]], [0], SHAPE, "centre in the image of 128 x 96, not"),
    ([[1, 1, float("nan"), 9]], [0], SHAPE, "Box 0 must be"),
])
def test_wrong_objects_are_refused(boxes, labels, shape, message):
    with pytest.raises(NhotError, match=message):
        targets(boxes, labels, classes=3, shape=shape)


def test_only_the_first_of_equal_neighbours_is_a_peak():
    maps = np.full((6, 6, 8), -8.0)
    maps[-4:] = 0
    maps[0, 2, 3:5] = 2.0  # one below the other would do as well
    maps[0, 3, 3:5] = 2.0
    maps[1, 5, 7] = 1.0
    found = decode(maps)
    assert found.labels.tolist() == [0, 1]
    np.testing.assert_allclose(found.boxes[0], [0, 0, 28, 24])
    np.testing.assert_allclose(found.boxes[1], [12, 4, 20, 20])  # what is outside is cut off
    np.testing.assert_allclose(found.scores, 1 / (1 + np.exp([-2, -1])), rtol=1e-6)
    assert len(decode(maps, limit=1).boxes) == 1
    assert decode(maps, threshold=0.8).labels.tolist() == [0]


def test_decoding_of_any_numbers_is_finite():
    maps = np.random.default_rng(0).normal(0, 1000, (5, 8, 8))
    assert all(np.isfinite(part).all() for part in decode(maps))


@pytest.mark.parametrize(("shape", "limit", "message"), [
    ((4, 8, 8), 10, "Maps must have shape"), ((1, 5, 8, 8), 10, "Maps must have shape"),
    ((5, 8, 8), 0, "Limit of objects must be at least 1, not 0"),
])
def test_decoding_refuses_what_is_no_map(shape, limit, message):
    with pytest.raises(NhotError, match=message):
        decode(np.zeros(shape), limit=limit)


def batch() -> torch.Tensor:
    return torch.from_numpy(targets(BOXES, LABELS, classes=3, shape=SHAPE))[None]


def test_loss_of_perfect_maps_is_nearly_nothing():
    output = torch.from_numpy(as_output(batch()[0].numpy()))[None]
    output[:, :3][batch()[:, :3] == 1] = 30.0
    output[:, :3][batch()[:, :3] < 1] = -30.0
    assert detection_loss(output, batch()) < 1e-6
    assert detection_loss(torch.zeros_like(batch()), batch()) > 1


def test_loss_is_that_of_the_paper():
    logits, target = torch.tensor([0.3, -1.0, 2.0]), torch.tensor([1.0, 0.5, 0.0])
    p = 1 / (1 + np.exp(-logits.numpy().astype(float)))
    expected = -((1 - p[0]) ** 2 * np.log(p[0]) + 0.5**4 * p[1] ** 2 * np.log(1 - p[1])
                 + p[2] ** 2 * np.log(1 - p[2]))
    assert float(focal_loss(logits, target)) == pytest.approx(expected, rel=1e-5)


def test_loss_counts_size_and_offset_at_centres_only():
    target = batch()
    output = target.clone()
    base = detection_loss(output, target)
    output[0, -4] += 1.0  # width, everywhere
    output[0, -1] -= 0.5
    assert float(detection_loss(output, target) - base) == pytest.approx(1.5, rel=1e-4)
    weighted = detection_loss(output, target, size_weight=0.1, offset_weight=2.0)
    assert float(weighted - base) == pytest.approx(1.1, rel=1e-4)


def test_loss_without_objects_is_finite():
    empty = torch.zeros(1, 7, 8, 8)
    output = torch.full_like(empty, 50.0).requires_grad_()
    loss = detection_loss(output, empty)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(output.grad).all()


@pytest.mark.parametrize("upsample", ["nearest", "transposed"])
@pytest.mark.parametrize("skips", [True, False])
def test_shape_of_the_maps(upsample, skips):
    model = build("centernet", classes=5, width=0.25, upsample=upsample, skips=skips).eval()
    with torch.no_grad():
        maps = model(torch.zeros(2, 3, 64, 96))
    assert maps.shape == (2, 9, 16, 24)
    scores = maps[:, :5].sigmoid()
    assert 0.09 < float(scores.min()) <= float(scores.max()) < 0.11


def test_wrong_options_are_refused():
    with pytest.raises(NhotError, match="must be one of nearest, transposed, not 'cubic'"):
        build("centernet", upsample="cubic")
    with pytest.raises(NhotError, match="Filters must be one for each of 3 doublings"):
        build("centernet", filters=(16, 16))


def test_it_learns_two_images_by_heart_and_keeps_them_in_integers():
    torch.manual_seed(0)
    model = build("centernet", classes=1, width=0.25, filters=(32, 16, 16), head=16)
    boxes = [[[8, 12, 32, 24]], [[30, 20, 20, 40], [4, 4, 16, 20]]]
    x = torch.zeros(2, 3, 64, 64)
    for image, marked in zip(x, boxes, strict=True):
        for x0, y0, width, height in marked:
            image[:, y0 : y0 + height, x0 : x0 + width] = 1
    maps = [targets(some, [0] * len(some), classes=1, shape=(64, 64)) for some in boxes]
    target = torch.from_numpy(np.stack(maps))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(50):
        optimizer.zero_grad()
        output = model(x)
        detection_loss(output, target).backward()
        optimizer.step()
    quantized = quantize(model.eval(), "2hot", x, input_range=(0.0, 1.0))
    for maps in (output, quantized(x)):
        for one, some in zip(maps.detach().numpy(), boxes, strict=True):
            found = decode(one, limit=len(some))
            np.testing.assert_allclose(sorted_by_place(found.boxes), some[::-1], atol=6)


def test_decoding_needs_no_torch():
    code = "import sys, nhot.experiments.models.centernet; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
