"""Handwritten digits, 8 x 8 pixels, 1797 of them; they come with scikit-learn, offline."""

from __future__ import annotations

import numpy as np

from nhot.errors import MissingToolError
from nhot.experiments.data.dataset import Dataset

__all__ = ["INPUT_RANGE", "load_digits"]

INPUT_RANGE = (0.0, 255 / 16)
"""Pixels are 0 to 16 and stand for 0 to 1, so that one unit of an 8-bit input is 1/16."""


def load_digits() -> Dataset:
    """The digits, every third one held out: 1198 to train on and 599 to test with.

    Samples are (1, 8, 8) float32 in steps of 1/16 from 0 to 1; labels are 0 to 9.
    """
    try:
        from sklearn import datasets
    except ImportError:
        raise MissingToolError(
            "The digits need the package scikit-learn; run: pip install 'nhot[quant]'"
        ) from None
    images, labels = datasets.load_digits(return_X_y=True)
    x = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    y = labels.astype(np.int64)
    held_out = np.arange(len(x)) % 3 == 2
    return Dataset(
        train_x=x[~held_out], train_y=y[~held_out], test_x=x[held_out], test_y=y[held_out],
        input_range=INPUT_RANGE,
    )
