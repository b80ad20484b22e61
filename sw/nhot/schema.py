"""The one reader of JSON files: bytes in, a checked dataclass out, or one line that says why not.

The form of a file is a dataclass: its annotations are what each field must be, and what they cannot
say is checked in its ``__post_init__``, for files and for callers in Python alike. Reading is
strict: no field is unknown or missing, ``1.0`` and ``true`` are no integers, names of a file are
unique, and numbers are finite. It takes time in proportion to the size of the file.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Hashable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from nhot.errors import NhotError
from nhot.files import read_file
from nhot.printable import printable, shortened

if TYPE_CHECKING:
    from pydantic import RootModel
    from pydantic_core import ErrorDetails

__all__ = ["MOST_BYTES", "check_values", "parse_json", "read_json"]

MOST_BYTES = 1 << 26
"""A file is refused beyond, so that an endless one (a device, a pipe) ends."""

Kind = TypeVar("Kind")
Unknown = Literal["forbid", "ignore"]


def read_json(
    kind: type[Kind], path: str | os.PathLike[str], what: str, *, version: int | None = None,
    unknown: Unknown = "forbid", most_bytes: int = MOST_BYTES,
) -> Kind:
    """The ``kind`` that a JSON file holds; errors call it ``what`` and its path.

    Parameters
    ----------
    kind : dataclass
    version : int, optional
        What the field ``version`` must be. It is looked at first, so that a file of another
        version is refused for that and not for a field that came or went.
    unknown : "forbid" or "ignore"
        What to do with fields that ``kind`` does not have. Ignored in the file of another tool, of
        which only what is used is judged.

    Raises
    ------
    NhotError
        "<what> <path> <field> must be <constraint>, not <value>", in one line.
    """
    data = read_file(path, what, most_bytes)
    return parse_json(kind, data, f"{what} {str(path)!r}", version=version, unknown=unknown)


def parse_json(
    kind: type[Kind], data: bytes, what: str, *, version: int | None = None,
    unknown: Unknown = "forbid",
) -> Kind:
    """The ``kind`` in the bytes of a JSON text, as :func:`read_json` has it."""
    if version is not None:
        found = _validate(_Versioned, data, what, "ignore").version
        if found != version:
            newer = "; it needs a newer nhot" if found > version else ""
            raise NhotError(f"{what} version must be {version}, not {shortened(found)}{newer}")
    result = _validate(kind, data, what, unknown)
    if unknown == "forbid":
        _check_text(data, what)
    return result


def check_values(
    kind: type[Kind], values: object, what: str, *, version: int | None = None,
) -> Kind:
    """The ``kind`` that plain values describe, by the rules of a file that holds them."""
    try:
        text = json.dumps(values)
    except (TypeError, ValueError, RecursionError) as error:
        raise NhotError(f"{what} must hold what JSON can: {error}") from None
    return parse_json(kind, text.encode(), what, version=version)


@dataclasses.dataclass(frozen=True)
class _Versioned:
    version: int


def _validate(kind: type[Kind], data: bytes, what: str, unknown: Unknown) -> Kind:
    from pydantic import ValidationError

    try:
        result: Kind = _model(cast(Hashable, kind)).model_validate_json(data, extra=unknown).root
        return result
    except ValidationError as error:
        text = _explain(kind, error.errors(include_url=False))
        raise NhotError(f"{what}{text}") from None
    except (TypeError, OverflowError) as error:  # of a check that met a value it cannot compare
        raise NhotError(f"{what}: {printable(str(error))}") from None


@cache
def _model(kind: Hashable) -> type[RootModel[Any]]:
    from pydantic import ConfigDict, RootModel

    class Root(RootModel[kind]):  # type: ignore[valid-type]  # made for each kind that is read
        model_config = ConfigDict(strict=True, allow_inf_nan=False)

    return Root


# What a field of each type must be; other errors of pydantic bring the words along.
_MUST_BE = {
    "int_type": "a whole number", "float_type": "a number", "string_type": "text",
    "bool_type": "true or false", "tuple_type": "a list", "list_type": "a list",
    "dict_type": "an object", "dataclass_type": "an object", "finite_number": "a finite number",
}
_UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")
_BRANCHES = {"int", "float", "str", "bool", "none"}  # what pydantic adds to the path in a union


def _explain(kind: type, errors: list[ErrorDetails]) -> str:
    """The first thing that is wrong, from where the name of the file ends."""
    first = errors[0]
    path, error = first["loc"], first["type"]
    if error == "json_invalid":
        return f" must be JSON: {first['ctx']['error']}"
    if error in _UNKNOWN:
        known = ", ".join(one.name for one in dataclasses.fields(kind)) if len(path) == 1 else ""
        have = f"have the fields {known}" if known else "have known fields only"
        return f"{_field(path[:-1])} must {have}, not {shortened(path[-1])}"
    if error == "missing" and isinstance(path[-1], str):
        return f"{_field(path[:-1])} must have the field {shortened(path[-1])}, which is missing"
    if error == "missing":
        return f"{_field(path[:-1])} must have more entries than {path[-1]}"
    if error == "value_error":
        return f"{_field(path)}: {printable(str(first['ctx']['error']))}"
    where = path[:-1] if path[-1:] and path[-1] in _BRANCHES else path
    must = {_constraint(one): None for one in errors if one["loc"][: len(where)] == where}
    return f"{_field(where)} must {' or '.join(must)}, not {shortened(first['input'])}"


def _constraint(error: ErrorDetails) -> str:
    if error["type"] in _MUST_BE:
        return f"be {_MUST_BE[error['type']]}"
    if error["type"] == "too_long":
        return f"have at most {error['ctx']['max_length']} entries"
    return printable(error["msg"].replace("Input should ", ""))


def _field(path: Iterable[int | str]) -> str:
    """Where a value lies: " layers[0].output"; nothing for the whole file."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{printable(part)[:60]}"
    return text and f" {text.removeprefix('.')}"


def _check_text(data: bytes, what: str) -> None:
    """Refuse what a reader of values no longer sees: names that come twice, absurd numbers."""
    try:
        json.loads(data, object_pairs_hook=_distinct, parse_int=_whole, parse_float=_finite,
                   parse_constant=_finite)
    except _Refused as error:
        raise NhotError(f"{what} must {error}") from None


class _Refused(Exception):
    """Says what a text must hold, and what it holds instead."""


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    seen = set()
    for name, _ in pairs:
        if name in seen:
            raise _Refused(f"have each name once in an object, not {shortened(name)} twice")
        seen.add(name)


def _whole(text: str) -> int:
    value = int(text) if len(text) <= 20 else 1 << 64
    if not -(1 << 63) <= value < 1 << 64:
        raise _Refused(f"have whole numbers of at most 64 bits, not {_cut(text)}")
    return value


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _Refused(f"have finite numbers, not {_cut(text)}")
    return value


def _cut(text: str) -> str:
    return text if len(text) <= 30 else f"{text[:14]}...{text[-13:]}"
