"""Models and data that users name on the command line."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from torch import nn

from nhot.data.catalogue import load_arrays
from nhot.data.dataset import Floats
from nhot.data.images import Size
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


def load_data(
    path: str | Path, *, split: str = "train", size: Size | None = None, most: int | None = None
) -> tuple[Floats, Ints | None]:
    """Samples ``x`` (samples, channels, height, width), and labels ``y`` if there are any.

    ``path`` is an npz file with the arrays ``x`` and, for training, ``y`` (samples,) integers, or
    the folder of a data set in its published layout. The parameters are those of
    :func:`nhot.data.load_arrays`.
    """
    return load_arrays(path, split=split, size=size, most=most)


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
