"""Zip archives of others, as numpy, torch and photographers make them."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib

__all__ = ["BROKEN_ZIP"]

BROKEN_ZIP = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, RuntimeError,
    ValueError, OverflowError, KeyError,
)
"""What the standard library raises of an archive that is damaged, or of a kind unknown to it.

Encryption is a RuntimeError, and so are unknown versions and compressions (NotImplementedError); a
name that is no text is a ValueError, a member that lies before the file an OSError.
"""
