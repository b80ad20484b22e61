"""Features of sounds, and the splits of Speech Commands."""

import wave

import numpy as np
import pytest

from nhot.errors import NhotError
from nhot.experiments.data.audio import LogMel, Mfcc, read_wav
from nhot.experiments.data.samples import stack
from nhot.experiments.data.speech_commands import (
    CLASSES,
    WORDS,
    SpeechCommands,
    open_speech_commands,
)

pytest.importorskip("scipy")

RATE = 16_000


def tone(hertz, seconds=1.0, volume=0.5):
    return np.float32(volume * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE))


def write_wav(path, samples, *, rate=RATE, width=2, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes((np.asarray(samples) * 32767).astype("<i2").tobytes())


def naive_mfcc(samples):
    """The definition, sum by sum."""
    clip = np.concatenate([samples / samples.max(), np.zeros(RATE)])[:RATE]
    mel = np.linspace(*(1127 * np.log(1 + np.array([20, 4000]) / 700)), 42)
    bins = 1127 * np.log(1 + np.arange(513) * 15.625 / 700)
    n = np.arange(640)
    transform = np.exp(-2j * np.pi * np.outer(np.arange(513), n) / 1024)
    result = []
    for first in range(0, RATE - 639, 320):
        windowed = clip[first:first + 640] * (0.5 - 0.5 * np.cos(2 * np.pi * n / 640))
        spectrum = np.abs(transform @ windowed)
        logs = np.empty(40)
        for i in range(40):
            weights = np.interp(bins, mel[i:i + 3], [0, 1, 0], left=0, right=0)
            logs[i] = np.log(weights @ spectrum + 1e-6)
        k = np.arange(10)[:, None]
        cosines = np.cos(np.pi * k * (2 * np.arange(40) + 1) / 80)
        result.append(np.sqrt(2 / 40) * cosines @ logs)
    return np.array(result)[None]


def test_mfcc_is_its_definition():
    samples = tone(440, 0.7) + tone(1500, 0.7, 0.1)
    features = Mfcc()(samples)
    assert features.dtype == np.float32
    assert features.shape == Mfcc().shape == (1, 49, 10)
    np.testing.assert_allclose(features, naive_mfcc(samples), rtol=1e-4, atol=1e-4)


def test_mfcc_of_odd_clips():
    loud = tone(300)
    np.testing.assert_allclose(Mfcc()(loud), Mfcc()(loud / 8), atol=1e-4)  # volume does not count
    np.testing.assert_array_equal(Mfcc()(np.tile(loud, 2)), Mfcc()(loud))
    quiet = Mfcc()(np.empty(0, np.float32))
    expected = np.zeros((1, 49, 10))
    expected[:, :, 0] = np.sqrt(80) * np.log(1e-6)
    np.testing.assert_allclose(quiet, expected, atol=1e-4)
    np.testing.assert_array_equal(Mfcc()(np.zeros(100, np.float32)), quiet)
    assert np.isfinite(Mfcc()(-np.ones(100, np.float32))).all()


@pytest.mark.parametrize("options", [
    {"coefficients": 0}, {"coefficients": 41}, {"window": 1}, {"window": 16_001}, {"stride": 0},
])
def test_bad_mfcc(options):
    with pytest.raises(NhotError, match="must be"):
        Mfcc(**options)


def test_log_mel():
    samples = tone(1000, 10)
    vectors = LogMel()(samples)
    assert (vectors.shape, vectors.dtype) == ((196, 640), np.float32)
    # Frames follow each other, and the vectors each other frame by frame.
    np.testing.assert_array_equal(vectors[1:, :512], vectors[:-1, 128:])
    # The pitch is in the filter about 1000 Hz: step 15 of 49.1, or 129 * 15 / 45.2 = 43.
    assert set(vectors.reshape(-1, 128).argmax(axis=1)) <= {41, 42}
    # A tenth of the amplitude is 20 decibels less.
    np.testing.assert_allclose(LogMel()(samples / 10)[:, 42], vectors[:, 42] - 20, atol=1e-3)


@pytest.mark.parametrize("seconds", [0, 0.01, 1.7])
def test_log_mel_of_short_recordings(seconds):
    assert LogMel()(tone(500, seconds)).shape == (0, 640)
    assert LogMel(window=1023)(tone(500, seconds)).shape == (0, 640)


def test_read_wav(tmp_path):
    path = tmp_path / "a.wav"
    write_wav(path, [0.5, -1.0, 0.25, 0.0], channels=2)
    samples = read_wav(path.read_bytes(), "a", RATE)
    np.testing.assert_array_equal(samples, np.float32([16383, 8191]) / 32768)
    content = path.read_bytes()
    with pytest.raises(NhotError, match="'a' must have 16 bits and 8000 samples a second, not 16"):
        read_wav(content, "a", 8000)
    with pytest.raises(NhotError, match="'a' must have 8 bytes of samples, not 6"):
        read_wav(content[:-2], "a", RATE)
    far = content.replace(b"fmt \x10", b"fmt \xff")  # a chunk longer than the file
    for damaged in (b"", b"RIFF", b"not a sound at all", content[:20], far):
        with pytest.raises(NhotError, match="'a' must be a wav file of integers: "):
            read_wav(damaged, "a", RATE)


@pytest.fixture
def folder(tmp_path):
    words = [*WORDS, "bed", "cat"]
    for number, word in enumerate(words):
        for take in range(6):
            write_wav(tmp_path / word / f"{take}_nohash_0.wav", tone(200 + 50 * number, 0.05))
    write_wav(tmp_path / "_background_noise_" / "white.wav", tone(100, 12))
    write_wav(tmp_path / "_background_noise_" / "short.wav", tone(100, 0.5))
    (tmp_path / "_background_noise_" / "README.md").touch()
    for name, take in (("validation", 4), ("testing", 5)):
        lines = [f"{word}/{take}_nohash_0.wav\n" for word in words]
        (tmp_path / f"{name}_list.txt").write_text("".join(lines), encoding="utf-8")
    return tmp_path


def counts(samples):
    return np.bincount([clip.label for clip in samples.clips], minlength=12).tolist()


def test_splits(folder):
    splits = open_speech_commands(folder)
    assert splits.classes == CLASSES
    assert counts(splits.train) == [4] * 12
    assert counts(splits.validation) == [1] * 12
    assert counts(splits.test) == [1] * 12
    clips = [split.clips for split in (splits.train, splits.validation, splits.test)]
    words = [{clip.path for clip in part if clip.label != 10} for part in clips]
    assert not words[0] & words[1]
    assert not words[0] & words[2]
    starts = [[clip.start for clip in part if clip.label == 10] for part in clips]
    assert max(starts[0]) <= 8.6 * RATE
    assert 9.6 * RATE <= starts[1][0] <= 9.8 * RATE
    assert 10.8 * RATE <= starts[2][0] <= 11 * RATE
    again = open_speech_commands(folder)
    assert again.train.clips == splits.train.clips
    assert SpeechCommands(folder, "train", seed=1).clips != splits.train.clips


def test_samples(folder):
    data = SpeechCommands(folder, "test")
    features, label = data[3]
    assert label == 3
    pcm = np.trunc(tone(350, 0.05) * 32767) / 32768
    np.testing.assert_allclose(features, Mfcc()(np.float32(pcm)), atol=1e-5)
    arrays = stack(data)
    assert arrays.x.shape == (12, 1, 49, 10)
    assert sorted(arrays.y) == list(range(12))


def test_wrong_folder(folder, tmp_path):
    with pytest.raises(NhotError, match="must be one of train, validation, test, not 'val'"):
        SpeechCommands(folder, "val")
    (folder / "go" / "5_nohash_0.wav").unlink()
    with pytest.raises(NhotError, match=r"'go/5_nohash_0.wav' of testing_list.txt must be in"):
        SpeechCommands(folder, "test")
    (folder / "up" / "0_nohash_0.wav").write_bytes(b"RIFF")
    with pytest.raises(NhotError, match=r"0_nohash_0.wav' must be a wav file"):
        stack(SpeechCommands(folder, "train"))
    (folder / "validation_list.txt").write_text("cat/4_nohash_0.wav\n", encoding="utf-8")
    with pytest.raises(NhotError, match=r"must have files of the words down, go, .* 'validation'"):
        SpeechCommands(folder, "validation")
    (folder / "_background_noise_" / "white.wav").unlink()
    with pytest.raises(NhotError, match=r"must be a folder of noise, .* README.md, short.wav"):
        SpeechCommands(folder, "train")
    (folder / "testing_list.txt").unlink()
    with pytest.raises(NhotError, match=r"must be Speech Commands .* there is a folder of _backgr"):
        SpeechCommands(folder, "train")
