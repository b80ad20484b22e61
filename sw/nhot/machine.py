"""What the machine has besides Python packages."""

from __future__ import annotations

import subprocess

__all__ = ["has_headers"]


def has_headers(*names: str) -> bool:
    """Whether the C++ compiler finds all headers of these names, such as ``zlib.h``."""
    program = "".join(f"#include <{name}>\n" for name in names)
    command = ["g++", "-E", "-x", "c++", "-"]
    try:
        done = subprocess.run(command, input=program, text=True, capture_output=True, check=False)
    except OSError:  # there is none, or one of another machine
        return False
    return done.returncode == 0
