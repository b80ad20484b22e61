"""Models, weights and data that users name on the command line."""

from __future__ import annotations

import importlib.util
import inspect
import pkgutil
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

from torch import nn

from nhot.errors import NhotError
from nhot.experiments.data.dataset import Floats
from nhot.experiments.data.images import Size
from nhot.experiments.data.opening import load_arrays
from nhot.experiments.models import NAMES, entry
from nhot.formats.format import Ints

__all__ = ["load_data", "load_model"]

FILE = "a function in a Python file, as path/to/file.py:factory"


def load_model(spec: str, **options: Any) -> nn.Module:
    """The float model that ``spec`` names.

    Parameters
    ----------
    spec : str
        One of :data:`nhot.experiments.models.NAMES`, or ``path/to/file.py:factory``: a function or
        a class in that file, which is run.
    **options
        Arguments of the function, or of the network's factory.
    """
    what, factory = _catalogued(spec) if spec in NAMES else _own(spec)
    _check_options(what, factory, options)
    try:
        model = factory(**options)
    except NhotError:
        raise
    except Exception as error:
        raise NhotError(f"{what} failed: {_text(error)}") from error
    if not isinstance(model, nn.Module):
        raise NhotError(f"{what} must give a torch.nn.Module, not {type(model).__name__}")
    return model


def load_data(
    path: str | Path, *, split: str = "train", size: Size | None = None, most: int | None = None
) -> tuple[Floats, Ints | None]:
    """Samples ``x`` (samples, channels, height, width), and labels ``y`` if there are any.

    ``path`` is an npz file with the arrays ``x`` and, for training, ``y`` (samples,) integers, an
    npy file with ``x`` alone, or the folder of a data set in its published layout. The parameters
    are those of :func:`nhot.experiments.data.load_arrays`.
    """
    return load_arrays(path, split=split, size=size, most=most)


def _catalogued(name: str) -> tuple[str, Callable[..., Any]]:
    """What to call a network of the catalogue in errors, and its factory."""
    return f"Model {name!r}", pkgutil.resolve_name(entry(name).factory)


def _own(spec: str) -> tuple[str, Callable[..., Any]]:
    """What to call a function of one's own in errors, and the function."""
    path, colon, name = spec.rpartition(":")
    if not colon or not path.endswith(".py") or not name.isidentifier():
        raise NhotError(f"Model must be one of {', '.join(NAMES)}, or {FILE}, not {spec!r}")
    if not Path(path).is_file():
        raise NhotError(f"Model file must exist, not {path!r}")
    factory = getattr(_run_file(Path(path)), name, None)
    if not callable(factory):
        raise NhotError(f"Model file {path!r} must have a function {name!r}")
    return f"Function {name!r} of {path!r}", factory


def _check_options(what: str, factory: Callable[..., Any], options: dict[str, Any]) -> None:
    """Refuse an option that a factory does not have, naming those that it has."""
    try:
        known = inspect.signature(factory).parameters
    except (TypeError, ValueError):  # written in C
        return
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in known.values()):
        return
    for name in options:
        if name not in known:
            raise NhotError(f"{what} must be given options that it has "
                            f"({', '.join(known) or 'none'}), not {name!r}")


def _run_file(path: Path) -> Any:
    # As it is now: Python's cache of bytecode tells no file from one of the same second and size.
    loader = SourceFileLoader(f"nhot_user_{path.stem}", str(path))
    module_spec = importlib.util.spec_from_loader(loader.name, loader)
    assert module_spec is not None
    module = importlib.util.module_from_spec(module_spec)
    try:
        exec(loader.source_to_code(loader.get_data(loader.path), loader.path), module.__dict__)
    except Exception as error:
        raise NhotError(f"Model file {str(path)!r} failed: {_text(error)}") from error
    return module


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
