"""What the bytes of the four models become, and the scores that are told."""

from __future__ import annotations

import numpy as np
import pytest

from nhot.errors import NhotError
from nhot.mlperf import MODELS, Reading
from nhot.network.reference import run as reference
from nhot.testing.networks import random_network
from nhot.testing.tiny_networks import TINY, tiny_network

SIZES = {"ic01": 3072, "kws01": 490, "vww01": 27648, "ad01": 2560}


def random_bytes(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, count, dtype=np.uint8)


def test_models_and_the_bytes_of_their_samples():
    assert {model.name: model.size for model in MODELS} == SIZES
    for name in TINY:
        assert Reading(tiny_network(name)).model.name == name


@pytest.mark.parametrize("name", ["ic01", "vww01"])
def test_pixels_are_what_an_input_of_bytes_holds(name):
    """Whether the network means 0 to 255 or 0 to 1 with them."""
    network = tiny_network(name)
    data = random_bytes(SIZES[name])
    sample = Reading(network).sample(data.tobytes())
    np.testing.assert_array_equal(sample.integers, data.reshape(network.input.shape))
    high = 255 if name == "ic01" else 1
    np.testing.assert_allclose(sample.values, data.reshape(network.input.shape) / 255 * high)


def test_pixels_of_a_signed_input_are_128_less():
    network = tiny_network("ic01", signed=True, zero_point=-128)
    data = random_bytes(3072)
    sample = Reading(network).sample(data.tobytes())
    np.testing.assert_array_equal(sample.integers.ravel(), data.astype(int) - 128)


def test_pixels_on_another_grid_are_rounded():
    """An input of 7 bits up to 250, as ranges taken from samples may leave it."""
    network = tiny_network("ic01", bits=7, scale=250 / 127)
    data = random_bytes(3072)
    sample = Reading(network).sample(data.tobytes())
    wanted = np.minimum(np.floor(data / (250 / 127) + 0.5), 127)
    np.testing.assert_array_equal(sample.integers.ravel(), wanted)


@pytest.mark.parametrize("scale", [0.02, 20])
def test_pixels_that_nobody_can_know_are_asked_for(scale):
    network = tiny_network("ic01", scale=scale)
    with pytest.raises(NhotError, match=r"--input-range must be given.*takes 0 to"):
        Reading(network)
    sample = Reading(network, (0, 255 * scale)).sample(bytes(range(256)) * 12)
    np.testing.assert_array_equal(sample.integers.ravel(), np.tile(np.arange(256), 12))


def test_pixels_about_zero_are_asked_for():
    network = tiny_network("ic01", signed=True, scale=1 / 128)
    with pytest.raises(NhotError, match=r"takes -1 to 0\.9922"):
        Reading(network)
    sample = Reading(network, (-1, 127 / 128)).sample(bytes(range(256)) * 12)
    np.testing.assert_array_equal(sample.integers.ravel(), np.tile(np.arange(-128, 128), 12))


def test_features_are_the_integers_of_the_reference_model():
    network = tiny_network("kws01")
    data = random_bytes(490)
    sample = Reading(network).sample(data.tobytes())
    np.testing.assert_array_equal(sample.integers.ravel(), data.view(np.int8))
    np.testing.assert_allclose(
        sample.values.ravel(), (data.view(np.int8).astype(float) - 83) * 0.5847029089927673)


def test_features_on_another_grid_are_rounded():
    network = tiny_network("kws01", scale=1.0, zero_point=0)
    sample = Reading(network).sample(bytes([83, 84, 85, 81]) + bytes(486))
    assert sample.integers.ravel()[:4].tolist() == [0, 1, 1, -1]


def test_vectors_are_rounded_to_the_input():
    network = tiny_network("ad01")
    values = np.linspace(-80, 60, 640).astype("<f4")
    sample = Reading(network).sample(values.tobytes())
    np.testing.assert_array_equal(sample.values.ravel(), values)
    wanted = np.clip(np.floor(values / 0.25 + 0.5) + 10, -128, 127)
    np.testing.assert_array_equal(sample.integers.ravel(), wanted)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_vectors_of_no_numbers_are_refused(bad):
    values = np.zeros(640, "<f4")
    values[7] = bad
    with pytest.raises(NhotError, match="finite"):
        Reading(tiny_network("ad01")).sample(values.tobytes())


@pytest.mark.parametrize("name", TINY)
def test_a_sample_has_its_bytes(name):
    with pytest.raises(NhotError, match=f"must have {SIZES[name]} bytes, not 9"):
        Reading(tiny_network(name)).sample(bytes(9))


@pytest.mark.parametrize("name", ["ic01", "kws01", "vww01"])
def test_scores_are_probabilities_that_a_host_may_divide_by_their_sum(name):
    network = tiny_network(name)
    reading = Reading(network)
    sample = reading.sample(random_bytes(SIZES[name]).tobytes())
    output = reference(network, sample.integers[None])[0]
    logits = (output.ravel() - network.output.zero_point) * network.output.scale
    scores = reading.scores(sample, output)
    np.testing.assert_allclose(scores, np.exp(logits) / np.exp(logits).sum())
    assert min(scores) >= 0


def test_scores_of_great_logits_are_numbers():
    network = tiny_network("vww01")
    sample = Reading(network).sample(bytes(27648))
    assert Reading(network).model.scores(sample.values, np.array([-5000.0, 4000.0])) == [0, 1]


def test_the_score_of_a_vector_is_its_mean_squared_error():
    network = tiny_network("ad01")
    reading = Reading(network)
    values = np.random.default_rng(1).uniform(-30, 30, 640).astype("<f4")
    sample = reading.sample(values.tobytes())
    output = reference(network, sample.integers[None])[0]
    real = (output.ravel() + 3) * 0.05
    assert reading.scores(sample, output) == [pytest.approx(np.mean((real - values) ** 2))]


@pytest.mark.parametrize(("limits", "text"), [
    ((1, 0), "lower one first, not 1 and 0"), ((0, float("nan")), "not 0 and nan"),
    ((float("-inf"), 0), "not -inf and 0"),
])
def test_a_range_is_two_numbers(limits, text):
    with pytest.raises(NhotError, match=text):
        Reading(tiny_network("ic01"), limits)


def test_vectors_have_no_range():
    with pytest.raises(NhotError, match="must not be given for anomaly detection"):
        Reading(tiny_network("ad01"), (0, 1))


def test_other_networks_are_refused():
    with pytest.raises(NhotError, match=r"input of \(32, 32, 3\) for image class.*not \(7, 6, 3\)"):
        Reading(random_network(1))
    with pytest.raises(NhotError, match="must have 10 outputs for image classification, not"):
        Reading(random_network(1, shape=(32, 32, 3), layers=1))
