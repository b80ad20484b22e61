"""What the machine has besides Python packages."""

from __future__ import annotations

import shutil
import subprocess

__all__ = ["has_headers"]


def has_headers(*names: str) -> bool:
    """Whether the C++ compiler finds all headers of these names, such as ``zlib.h``."""
    if shutil.which("g++") is None:
        return False
    program = "".join(f"#include <{name}>\n" for name in names)
    done = subprocess.run(
        ["g++", "-E", "-x", "c++", "-"], input=program, text=True, capture_output=True, check=False
    )
    return done.returncode == 0
