"""Samples of one's own as arrays in a file of numpy: npz, or npy for samples alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nhot.arrays import Numbers, read_npy, read_npz
from nhot.errors import NhotError
from nhot.experiments.data.dataset import Floats
from nhot.formats.format import Ints
from nhot.network.names import listed

__all__ = ["EXPECTED", "load_npz", "load_targets"]

EXPECTED = "an npz file with the arrays x and y, or an npy file with x"


def load_npz(path: str | Path) -> tuple[Floats, Ints | None]:
    """Samples ``x`` (samples, channels, height, width), and labels ``y`` if there are any.

    ``x`` may be (samples, channels, length) or (samples, features), too; ``y`` is (samples,)
    integers. Arrays of Python objects are refused, so that no code in the file is run.
    """
    x, y = _read(path)
    if y is not None and (y.shape != x.shape[:1] or not np.issubdtype(y.dtype, np.integer)):
        raise NhotError(
            f"Array y of {path} must be one integer a sample ({len(x)}), "
            f"not {y.dtype} of shape {y.shape}"
        )
    return x, None if y is None else y.astype(np.int64)


def load_targets(path: str | Path) -> tuple[Floats, Floats | None]:
    """Samples ``x`` as :func:`load_npz` has them, and what a network is to make of them, if given.

    ``y`` is (samples, ...) numbers, of the shape of the network's outputs; (samples,) is taken for
    (samples, 1).
    """
    x, y = _read(path)
    if y is None:
        return x, None
    if not _real(y) or y.shape[:1] != x.shape[:1]:
        raise NhotError(
            f"Array y of {path} must be numbers, an output for each sample ({len(x)}, ...), "
            f"not {y.dtype} of shape {y.shape}"
        )
    targets = y.astype(np.float32).reshape(len(y), *(y.shape[1:] or (1,)))
    if not np.isfinite(targets).all():
        raise NhotError(f"Array y of {path} must be finite numbers, not NaN or infinite")
    return x, targets


def _read(path: str | Path) -> tuple[Floats, Any]:
    """Samples as float32, and ``y`` as it is."""
    arrays = _arrays(path)
    x = arrays["x"]
    if not _real(x) or x.ndim not in {2, 3, 4}:
        raise NhotError(
            f"Array x of {path} must be numbers (samples, channels, height, width), (samples, "
            f"channels, length) or (samples, features), not {x.dtype} of shape {x.shape}"
        )
    return x.astype(np.float32), arrays.get("y")


def _arrays(path: str | Path) -> dict[str, Numbers]:
    """``x``, and ``y`` if there is one."""
    if Path(path).suffix == ".npy":
        return {"x": read_npy(path, "Data")}
    arrays, names = read_npz(path, "Data", ("x", "y"))
    if "x" not in arrays:
        raise NhotError(f"Data {path} must have an array x, not only {listed(names) or 'nothing'}")
    return arrays


def _real(array: Any) -> bool:
    return np.issubdtype(array.dtype, np.number) and not np.iscomplexobj(array)
