"""Samples of one's own as arrays in an npz file of numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nhot.arrays import read_npz
from nhot.data.dataset import Floats
from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.network.names import listed

__all__ = ["EXPECTED", "load_npz"]

EXPECTED = "an npz file with the arrays x and y"


def load_npz(path: str | Path) -> tuple[Floats, Ints | None]:
    """Samples ``x`` (samples, channels, height, width), and labels ``y`` if there are any.

    ``x`` may be (samples, channels, length) or (samples, features), too; ``y`` is (samples,)
    integers. Arrays of Python objects are refused, so that no code in the file is run.
    """
    arrays, names = read_npz(path, "Data", ("x", "y"))
    if "x" not in arrays:
        raise NhotError(f"Data {path} must have an array x, not only {listed(names) or 'nothing'}")
    x, y = arrays["x"], arrays.get("y")
    if not np.issubdtype(x.dtype, np.number) or np.iscomplexobj(x) or x.ndim not in {2, 3, 4}:
        raise NhotError(
            f"Array x of {path} must be numbers (samples, channels, height, width), (samples, "
            f"channels, length) or (samples, features), not {x.dtype} of shape {x.shape}"
        )
    if y is not None and (y.shape != x.shape[:1] or not np.issubdtype(y.dtype, np.integer)):
        raise NhotError(
            f"Array y of {path} must be one integer a sample ({len(x)}), "
            f"not {y.dtype} of shape {y.shape}"
        )
    return x.astype(np.float32), None if y is None else y.astype(np.int64)
