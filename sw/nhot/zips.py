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

Encryption, unknown versions and unknown compressions are a RuntimeError or of a kind of it; a name
that is no text is a ValueError, a member that lies before the file an OSError.
"""
