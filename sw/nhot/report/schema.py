"""What the data of a report look like.

A report is a JSON object. ``version`` and ``title`` must be there; every other part may be left out
and then leaves its section out of the page. Unknown names are refused, so that a misspelt one does
not vanish in silence.
"""

from __future__ import annotations

from typing import Any

from nhot.errors import NhotError

__all__ = ["VERSION", "check"]

VERSION = 1

NUMBER = (int, float)

# Each part: a name and its fields; a field is required unless its name ends with "?".
# The value of a field is its type, or a tuple of types.
Fields = dict[str, Any]

OBJECTS: dict[str, Fields] = {
    # what was compiled; weight_bits and terms are per weight
    "network": {
        "name": str, "format?": str, "weights?": int, "macs?": int,
        "weight_bits?": NUMBER, "terms_per_weight?": NUMBER,
    },
    # one run of the engine
    "run": {
        "target": str, "cycles": int, "stalls?": int, "clock_hz?": NUMBER, "images?": int,
    },
    # how many answers of the engine equal those of the reference
    "identical": {"count": int, "total": int, "what?": str},
}

LISTS: dict[str, Fields] = {
    # accuracy of each stage, in order: float, calibrated, fine-tuned, board
    "accuracy": {"stage": str, "correct": int, "total": int},
    # one row a bitstream, from its manifest
    "builds": {
        "board": str, "configuration?": str, "luts?": int, "luts_available?": int,
        "memories?": int, "memories_available?": int, "dsps?": int, "fmax_mhz?": NUMBER,
        "clock_mhz?": NUMBER,
    },
    "layers": {
        "name": str, "operator?": str, "macs?": int, "weights?": int, "terms?": int,
        "cycles_predicted?": int, "cycles_measured?": int, "stalls?": int,
    },
    # all levels of a layer's format in ascending order, and how many weights lie on each
    "levels": {"layer": str, "format?": str, "levels": list, "counts": list},
    # pixels: rows of grey values, 0 to white
    "misclassified": {
        "label": (int, str), "answer": (int, str), "pixels": list, "white?": int, "index?": int,
    },
}

SCALARS: Fields = {"version": int, "title": str, "subtitle?": str, "created?": str}


def check(report: object) -> dict[str, Any]:
    """Return ``report`` if it has the form that this module describes, else raise NhotError."""
    if not isinstance(report, dict):
        raise NhotError(f"Report must be a JSON object, not {type(report).__name__}")
    if report.get("version") != VERSION:
        raise NhotError(f"Report version must be {VERSION}, not {report.get('version')!r}")
    parts: Fields = {f"{name}?": dict for name in OBJECTS} | {f"{name}?": list for name in LISTS}
    _check_fields("Report", report, SCALARS | parts | {"environment?": dict})
    for name, fields in OBJECTS.items():
        if name in report:
            _check_fields(f"Report {name}", report[name], fields)
    for name, fields in LISTS.items():
        for index, entry in enumerate(report.get(name, ())):
            _check_fields(f"Report {name}[{index}]", entry, fields)
    for index, entry in enumerate(report.get("levels", ())):
        if len(entry["levels"]) != len(entry["counts"]) or not entry["levels"]:
            raise NhotError(
                f"Report levels[{index}] must have as many counts as levels, at least one, "
                f"not {len(entry['counts'])} and {len(entry['levels'])}"
            )
        _check_numbers(f"Report levels[{index}]", entry["levels"] + entry["counts"])
    for index, entry in enumerate(report.get("misclassified", ())):
        _check_pixels(f"Report misclassified[{index}] pixels", entry["pixels"])
    return report


def _check_fields(what: str, value: object, fields: Fields) -> None:
    if not isinstance(value, dict):
        raise NhotError(f"{what} must be a JSON object, not {type(value).__name__}")
    known = {name.removesuffix("?"): kind for name, kind in fields.items()}
    for name in value:
        if name not in known:
            raise NhotError(f"{what} must have the fields {', '.join(known)}, not {name!r}")
    for name, kind in fields.items():
        plain = name.removesuffix("?")
        if plain not in value:
            if not name.endswith("?"):
                raise NhotError(f"{what} must have the field {name!r}, which is missing")
        elif not isinstance(value[plain], kind) or isinstance(value[plain], bool):
            raise NhotError(f"{what} {plain} must be {_kind(kind)}, not {value[plain]!r}")


def _kind(kind: type | tuple[type, ...]) -> str:
    kinds = kind if isinstance(kind, tuple) else (kind,)
    names = {int: "an integer", float: "a number", str: "text", list: "a list", dict: "an object"}
    return " or ".join(names[one] for one in kinds)


def _check_numbers(what: str, values: list[Any]) -> None:
    for value in values:
        if not isinstance(value, NUMBER) or isinstance(value, bool):
            raise NhotError(f"{what} must hold numbers, not {value!r}")


def _check_pixels(what: str, rows: list[Any]) -> None:
    width = len(rows[0]) if rows and isinstance(rows[0], list) else 0
    if not width or any(not isinstance(row, list) or len(row) != width for row in rows):
        raise NhotError(f"{what} must be rows of the same length, at least one")
    for row in rows:
        _check_numbers(what, row)
