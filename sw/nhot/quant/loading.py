"""Models and data that users name on the command line."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from nhot.data.dataset import Floats
from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.models.digits import digits

__all__ = ["load_data", "load_model"]

EXAMPLE = "'digits' or a function in a Python file, as path/to/file.py:factory"


def load_model(spec: str) -> nn.Module:
    """The float model that ``spec`` names: ``digits``, or ``path/to/file.py:factory``.

    ``factory`` is a function without arguments, or a class, in that file; the file is run.
    """
    if spec == "digits":
        return digits()
    path, colon, factory = spec.rpartition(":")
    if not colon or not path.endswith(".py") or not factory.isidentifier():
        raise NhotError(f"Model must be {EXAMPLE}, not {spec!r}")
    if not Path(path).is_file():
        raise NhotError(f"Model file must exist, not {path!r}")
    build = getattr(_run_file(Path(path)), factory, None)
    if not callable(build):
        raise NhotError(f"Model file {path!r} must have a function {factory!r}")
    try:
        model = build()
    except Exception as error:
        raise NhotError(f"Function {factory!r} of {path!r} failed: {_text(error)}") from error
    if not isinstance(model, nn.Module):
        raise NhotError(
            f"Function {factory!r} of {path!r} must give a torch.nn.Module, "
            f"not {type(model).__name__}"
        )
    return model


def load_data(path: str | Path) -> tuple[Floats, Ints | None]:
    """Samples ``x`` (samples, channels, height, width), and labels ``y`` if there are any.

    ``path`` is an npz file with the arrays ``x`` and, for training, ``y`` (samples,) integers.
    Arrays of Python objects are refused, so that no code in the file is run.
    """
    try:
        with Path(path).open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            arrays = dict(loaded) if isinstance(loaded, np.lib.npyio.NpzFile) else None
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise NhotError(f"Data {path} must be an npz file of numbers: {_text(error)}") from None
    if arrays is None:
        raise NhotError(f"Data {path} must be an npz file with the arrays x and y")
    if "x" not in arrays:
        found = ", ".join(arrays) or "nothing"
        raise NhotError(f"Data {path} must have an array x, not only {found}")
    x, y = arrays["x"], arrays.get("y")
    if not np.issubdtype(x.dtype, np.number) or np.iscomplexobj(x) or x.ndim not in {2, 4}:
        raise NhotError(
            f"Array x of {path} must be numbers (samples, channels, height, width) or "
            f"(samples, features), not {x.dtype} of shape {x.shape}"
        )
    if y is not None and (y.shape != x.shape[:1] or not np.issubdtype(y.dtype, np.integer)):
        raise NhotError(
            f"Array y of {path} must be one integer a sample ({len(x)}), "
            f"not {y.dtype} of shape {y.shape}"
        )
    return x.astype(np.float32), None if y is None else y.astype(np.int64)


def _run_file(path: Path) -> Any:
    module_spec = importlib.util.spec_from_file_location(f"nhot_user_{path.stem}", path)
    assert module_spec is not None
    assert module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    try:
        module_spec.loader.exec_module(module)
    except Exception as error:
        raise NhotError(f"Model file {str(path)!r} failed: {_text(error)}") from error
    return module


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
