"""Refuse a file that is something else than what is wanted, in one sentence that is true."""

from __future__ import annotations

import os

from nhot.errors import NhotError
from nhot.filetype.identify import identify

__all__ = ["KINDS", "expect"]

KINDS = {
    "network": "a network file (.onnx) that nhot quantize wrote",
    "image": "a memory image (.img) that nhot compile wrote",
    "manifest": "a bitstream's manifest (.json) that nhot build wrote",
    "report": "a report (report.json) that nhot wrote",
    "config": "an engine configuration (.json)",
    "weights": "weights (.pt, .safetensors) of torch.save, safetensors or nhot train",
    "array": "an array of integers (.npy)",
    "model": "a network of the catalogue or a function in a Python file (path/to/file.py:factory)",
    "foreign": "a model of another tool (.tflite, .onnx, .pt2)",
}
"""What commands take, by kind, and what to call it."""

_STEPS = {
    ("network", "image"): "nhot compile makes an image of it",
    ("weights", "network"): "nhot quantize MODEL --weights makes a network of them",
    ("weights", "model"): "they are given with --weights",
    ("network", "model"): "it is quantised already: nhot compile takes it",
    ("network", "foreign"): "it is quantised already: nhot compile takes it",
    ("image", "network"): "it is compiled already: nhot load and nhot run take it",
    ("manifest", "image"): "nhot info shows it",
    ("foreign", "network"): "nhot quantize makes a network of it, if it is supported",
    ("foreign", "image"): "nhot quantize makes a network of it, if it is supported",
}
"""The way from what was found to what is wanted."""


def expect(path: str | os.PathLike[str], *kinds: str) -> None:
    """Refuse the file at ``path`` if its content says that it is none of ``kinds``.

    ``kinds`` are of :data:`KINDS`. A file whose content says nothing passes, for its reader to
    judge: so does one that is damaged, or not there.

    Raises
    ------
    NhotError
        "File 'x' must be <what it must be>, not <what it is>", and which command leads there.
    """
    found = identify(path)
    if found is None or found.kind in kinds:
        return
    wanted = " or ".join(KINDS[kind] for kind in kinds)
    step = next((_STEPS[found.kind, kind] for kind in kinds if (found.kind, kind) in _STEPS), "")
    hint = f" ({step})" if step else ""
    raise NhotError(f"File {os.fspath(path)!r} must be {wanted}, not {found.name}{hint}")
