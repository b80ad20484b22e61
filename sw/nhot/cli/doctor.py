"""``nhot doctor``: what this machine has, what it lacks, and the command that brings it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata

from nhot.cli.output import add_json_argument, print_json, print_table
from nhot.machine import LOADERS, has_headers
from nhot.printable import say

HELP = "list the tools that nhot uses, their versions, and what is missing"

# Programs: name, argument that prints a version, what needs them, Debian package.
PROGRAMS = (
    ("g++", "--version", "simulation with Verilator", "g++"),
    ("make", "--version", "simulation with Verilator", "make"),
    ("perl", "--version", "simulation with Verilator", "perl"),
    ("iverilog", "-V", "cocotb tests with Icarus", "iverilog"),
)
# One of them shows the page of a report to the tests.
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome-headless-shell")

PURPOSES = {
    "": "everything", "quant": "quantising", "onnx": "network files", "hw": "gateware",
    "build": "bitstreams", "sim": "simulation and the virtual board", "device": "boards",
    "report": "reports", "test": "the tests",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked for. ``version`` is empty if it is missing."""

    name: str
    version: str
    purpose: str
    remedy: str
    needed: bool = True


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_json_argument(parser)
    parser.add_argument("--strict", action="store_true",
                        help="end with exit code 3 if something needed is missing")


def run(args: Namespace) -> int:
    """Look, and print what was found."""
    findings = [_python(), *_packages(), *map(_program, PROGRAMS), _browser(), _fst(), _loader()]
    ports = list(_serial_ports())
    missing = [one for one in findings if one.needed and not one.version]
    if args.json:
        print_json({"findings": [asdict(one) for one in findings], "ports": ports,
                    "complete": not missing})
    else:
        _print(findings, ports, missing)
    return 3 if missing and args.strict else 0


def _print(findings: list[Finding], ports: list[dict[str, str]], missing: list[Finding]) -> None:
    print_table(
        ("", "name", "version", "for", "get it with"),
        [
            ("ok" if one.version else "--" if one.needed else "..", one.name, one.version or "-",
             one.purpose, "" if one.version else one.remedy)
            for one in findings
        ],
    )
    say()
    for port in ports:
        say(f"serial port {port['port']}: {port['description']}{_access(port)}")
    if not ports:
        say("no serial port found (--port virtual needs none)")
    names = ", ".join(one.name for one in missing)
    say(f"missing: {names}" if missing else "nothing is missing")


def _access(port: dict[str, str]) -> str:
    return "" if port["access"] == "yes" else (
        " (no permission: sudo usermod -aG dialout $USER, then log in again)"
    )


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
    return _program((found, "--version", "the tests of reports", BROWSERS[0]))


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


def _serial_ports() -> Iterator[dict[str, str]]:
    try:
        from serial.tools import list_ports
    except ModuleNotFoundError:
        return
    for port in sorted(list_ports.comports()):
        access = os.access(port.device, os.R_OK | os.W_OK)
        yield {"port": port.device, "description": port.description or "",
               "access": "yes" if access else "no"}
