"""Reading files of torch.save and of safetensors, without running anything in them."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from typing import Any

import torch

from nhot.errors import NhotError
from nhot.zips import BROKEN_ZIP

__all__ = ["load"]

_ZIP = b"PK\x03\x04"

_ALONE = "save the weights alone: torch.save(model.state_dict(), FILE)"


def load(content: bytes, name: str) -> Any:
    """What the bytes of a file hold: dictionaries, lists, numbers, text and tensors, in memory.

    Parameters
    ----------
    content : bytes
        As ``torch.save`` writes them, now or before version 1.6, or as safetensors does.
    name : str
        What errors call the file, as ``Weights 'w.pt'``.

    Raises
    ------
    NhotError
        The file is damaged, or holds what only code could make anew, a module for example.
    """
    damaged = NhotError(f"{name} must be a whole file of torch.save or of safetensors; it is "
                        "something else, damaged or cut short")
    if content[8:9] == b"{":
        return _safetensors(content, damaged)
    if content.startswith(_ZIP):
        _check_archive(content, damaged)
    try:
        with warnings.catch_warnings(action="ignore"):  # of old kinds of storage
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # damage makes its reader stumble over anything
        found = re.search(r"(?:GLOBAL|class|function) ([\w.]+)", str(error))
        if "weights_only" in str(error) and found is not None:
            raise NhotError(f"{name} must hold tensors, numbers and text alone, not "
                            f"{found[1][:80]}, which needs code to be run; {_ALONE}") from None
        raise damaged from None


def _safetensors(content: bytes, damaged: NhotError) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError):
        raise damaged from None


def _check_archive(content: bytes, damaged: NhotError) -> None:
    """Refuse an archive that unpacks to more than itself; torch compresses nothing."""
    try:
        sizes = [member.file_size for member in zipfile.ZipFile(io.BytesIO(content)).infolist()]
    except BROKEN_ZIP:
        raise damaged from None
    if sum(sizes) > len(content):
        raise damaged
