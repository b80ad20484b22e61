"""Sounds to the features of small networks: cepstral coefficients, and mel spectra of decibels.

A *frame* is a stretch of samples; its *spectrum* is the magnitude of its discrete Fourier transform
after multiplication with a periodic Hann window, w[n] = 0.5 - 0.5 cos(2 pi n / N). A *mel filter*
is a triangle on the scale of perceived pitch by which a spectrum is weighed and summed.
"""

from __future__ import annotations

import functools
import io
import wave
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nhot.errors import MissingToolError, NhotError
from nhot.experiments.data.dataset import Floats

__all__ = ["LogMel", "Mfcc", "read_wav"]

FILTERS = 40
"""Mel filters that cepstral coefficients are made of."""

Reals = NDArray[np.float64]


def read_wav(content: bytes, name: str, rate: int) -> Floats:
    """Samples of the first channel of a 16-bit wav file, float32 from -1 to 1 - 2^-15.

    ``name`` is what errors call the file; ``rate`` is what it must have, in samples a second.
    """
    try:
        with wave.open(io.BytesIO(content)) as file:
            channels, width, found = file.getnchannels(), file.getsampwidth(), file.getframerate()
            frames, data = file.getnframes(), file.readframes(file.getnframes())
    except (wave.Error, EOFError, RuntimeError) as error:  # the last from lengths beyond the file
        text = str(error) or "it ends too early"
        raise NhotError(f"Sound {name!r} must be a wav file of integers: {text}") from None
    if (width, found) != (2, rate):
        raise NhotError(f"Sound {name!r} must have 16 bits and {rate} samples a second, "
                        f"not {8 * width} and {found}")
    if len(data) != frames * channels * width:
        raise NhotError(f"Sound {name!r} must have {frames * channels * width:,} bytes of samples, "
                        f"not {len(data):,}")
    samples = np.frombuffer(data, "<i2").reshape(-1, channels)[:, 0]
    return samples.astype(np.float32) / np.float32(32768)


@dataclass(frozen=True, kw_only=True)
class Mfcc:
    """Mel-frequency cepstral coefficients, as the keyword task of MLPerf Tiny has them.

    A clip of one second becomes (1, frames, coefficients), with the defaults (1, 49, 10):

    1. Samples are divided by the greatest of them (not by the greatest magnitude; a clip without
       a positive sample is left as it is), and zeros are appended, or the end cut off, to one
       second.
    2. Frames of ``window`` samples begin every ``stride`` samples; the last is the last that is
       whole. Each is windowed, zeros are appended to the next power of two, and its spectrum taken.
    3. Forty mel filters, equally wide on the scale 1127 ln(1 + f / 700 Hz) between 20 and 4000 Hz,
       weigh the spectrum without its constant part; the triangles are straight on that scale and
       have a height of 1.
    4. Of ln(energy + 1e-6) the discrete cosine transform (type 2, times sqrt(2 / 40)) is taken; its
       first coefficients are the features.

    The published code of the benchmark has frames of 30 ms, its paper (Banbury et al., 2021) and
    this class frames of 40 ms; both make 49.

    Parameters
    ----------
    rate : int
        Samples a second.
    window, stride : int
        Length of a frame and distance of frames, in samples: 40 and 20 ms.
    coefficients : int
        Of each frame, 1 to 40.
    """

    rate: int = 16_000
    window: int = 640
    stride: int = 320
    coefficients: int = 10

    def __post_init__(self) -> None:
        if not 1 <= self.coefficients <= FILTERS:
            raise NhotError(f"Coefficients must be 1 to {FILTERS}, not {self.coefficients}")
        if not 1 < self.window <= self.rate or self.stride < 1:
            raise NhotError(f"Window must be 2 to {self.rate} samples and stride at least 1, "
                            f"not {self.window} and {self.stride}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the features: (1, frames, coefficients)."""
        return 1, 1 + (self.rate - self.window) // self.stride, self.coefficients

    def __call__(self, samples: Floats) -> Floats:
        """Features of a clip, float32."""
        try:
            from scipy import fft
        except ImportError:
            raise MissingToolError(
                "Features of sounds need the package scipy; run: pip install 'nhot[data]'"
            ) from None
        clip = np.zeros(self.rate)
        part = samples[:self.rate]
        peak = part.max(initial=0.0)
        clip[:len(part)] = part / peak if peak > 0 else part
        length = 1 << (self.window - 1).bit_length()
        energy = _spectra(clip, self.window, self.stride, length) @ _mel_filters(self.rate, length)
        transform = fft.dct(np.log(energy + 1e-6), type=2, axis=-1) / np.sqrt(2 * FILTERS)
        return np.asarray(transform[None, :, :self.coefficients], np.float32)


@dataclass(frozen=True, kw_only=True)
class LogMel:
    """Mel spectra in decibels, as the anomaly detection of MLPerf Tiny has them.

    A recording becomes (vectors, frames * bins), with the defaults (vectors, 640):

    1. Zeros are put before and after the samples, half a window each; frames of ``window`` samples
       begin every ``stride`` samples. The power spectrum, the square of the magnitude, is taken.
    2. The mel filters are equally wide between 0 and half the rate on the scale of Slaney's
       Auditory Toolbox, linear up to 1000 Hz and logarithmic above; the triangles are straight in
       Hz and have an area of 1.
    3. Energies become 10 log10(energy + 2.2e-16); of the frames, those of ``part`` are kept.
    4. Each vector is ``frames`` frames in a row, the first one first; the next begins one frame
       later.

    Parameters
    ----------
    rate, window, stride : int
        Samples a second, in a frame and between the beginnings of frames.
    bins, frames : int
        Mel filters, and frames of a vector.
    part : (first, end)
        Frames of the middle of a recording that are kept: the benchmark's 50 to 249.
    """

    rate: int = 16_000
    window: int = 1024
    stride: int = 512
    bins: int = 128
    frames: int = 5
    part: tuple[int, int] = (50, 250)

    def __call__(self, samples: Floats) -> Floats:
        """Vectors of a recording, float32; none if it is too short for one."""
        padded = np.pad(samples.astype(np.float64), self.window // 2)
        if len(padded) < self.window:
            return np.empty((0, self.frames * self.bins), np.float32)
        power = _spectra(padded, self.window, self.stride, self.window) ** 2
        energy = power @ _slaney_filters(self.rate, self.window, self.bins)
        decibels = 10 * np.log10(energy + np.finfo(np.float64).eps)
        kept = decibels[slice(*self.part)].astype(np.float32)
        if len(kept) < self.frames:
            return np.empty((0, self.frames * self.bins), np.float32)
        vectors = np.lib.stride_tricks.sliding_window_view(kept, self.frames, axis=0)
        return vectors.transpose(0, 2, 1).reshape(len(vectors), -1)


def _spectra(samples: Reals, window: int, stride: int, length: int) -> Reals:
    """Magnitudes (frames, length // 2 + 1) of the spectra of all frames that are whole."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[::stride]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    return np.abs(np.fft.rfft(frames * hann, length))


@functools.cache
def _mel_filters(rate: int, length: int) -> Reals:
    """Weights (bins of the spectrum, 40), triangles on the mel scale itself."""
    bins = _mel(np.arange(length // 2 + 1) * rate / length)
    low, high = _mel(np.array([20.0, 4000.0]))
    edges = np.linspace(low, high, FILTERS + 2)
    weights = _triangles(bins, edges)
    weights[0] = 0
    return weights


@functools.cache
def _slaney_filters(rate: int, length: int, filters: int) -> Reals:
    """Weights (bins of the spectrum, filters), triangles in Hz of area 1."""
    # 200/3 Hz a step up to 1000 Hz, which is step 15; then 27 steps for a factor of 6.4.
    top = 15 + 27 * np.log(rate / 2000) / np.log(6.4)
    steps = np.linspace(0, top, filters + 2)
    edges = np.where(steps < 15, steps * 200 / 3, 1000 * 6.4 ** ((steps - 15) / 27))
    return _triangles(np.arange(length // 2 + 1) * rate / length, edges) * (
        2 / (edges[2:] - edges[:-2])
    )


def _mel(hertz: Reals) -> Reals:
    return 1127 * np.log(1 + hertz / 700)


def _triangles(bins: Reals, edges: Reals) -> Reals:
    """Triangle i rises from 0 at edge i to 1 at edge i + 1 and falls to 0 at edge i + 2."""
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins[:, None] - low) / (middle - low)
    falling = (high - bins[:, None]) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling))
