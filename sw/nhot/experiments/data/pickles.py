"""Reading pickles that hold numbers and text only, without running anything in them."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

from nhot.errors import NhotError

__all__ = ["loads"]

MULTIARRAY = {"numpy.core.multiarray", "numpy._core.multiarray"}
"""Where pickles of numpy 1 and of numpy 2 look for the function that rebuilds an array."""


def loads(content: bytes, name: str) -> Any:
    """The dicts, lists, numbers, texts and arrays of bytes that a pickle holds.

    A pickle may name any function for its reader to call. This reader knows three names, those of
    an array of numpy, and answers them with classes of its own, so that not even numpy sees what
    the pickle says an array looks like. Arrays that are not uint8 are refused as everything else.

    Parameters
    ----------
    content : bytes
        The pickle; its text, if written by Python 2, becomes bytes.
    name : str
        What errors call it.
    """
    try:
        return _resolve(_Reader(io.BytesIO(content), encoding="bytes").load())
    except _Forbidden as error:
        raise NhotError(f"Pickle {name!r} must hold arrays, lists and text, not {error}") from None
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to say
        text = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise NhotError(f"Pickle {name!r} must be whole and undamaged: {text}") from None


class _Forbidden(Exception):
    """Names what a pickle asked for and is not given."""


class _Type:
    """Stands for ``numpy.dtype`` while a pickle is read."""

    def __init__(self, code: object, *_: object) -> None:
        if code not in {"u1", b"u1"}:
            raise _Forbidden(f"an array of type {code!r}")

    def __setstate__(self, state: object) -> None:
        """Byte order and the like, of which a byte has none."""


class _Array:
    """Stands for ``numpy.ndarray`` while a pickle is read: first empty, then given its state."""

    values = np.empty(0, np.uint8)

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: tuple[int, tuple[int, ...], _Type, bool, bytes]) -> None:
        _, shape, dtype, by_columns, content = state
        if not isinstance(dtype, _Type) or not isinstance(content, bytes):
            raise _Forbidden("an array of objects")
        values = np.frombuffer(content, np.uint8)
        self.values = values.reshape(shape, order="F" if by_columns else "C")


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "dtype"):
            return _Type
        if (module, name) == ("numpy", "ndarray") or (
            module in MULTIARRAY and name == "_reconstruct"
        ):
            return _Array
        raise _Forbidden(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise _Forbidden("a reference to another file")


def _resolve(loaded: Any) -> Any:
    """Arrays in place of their stand-ins, as values of a dict or by themselves."""
    if isinstance(loaded, dict):
        return {key: _resolve(value) for key, value in loaded.items()}
    return loaded.values if isinstance(loaded, _Array) else loaded
