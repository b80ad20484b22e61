"""A project for the tool of an FPGA's maker, which nhot does not run."""

from pathlib import Path

from amaranth.lib import wiring

from nhot.compiler.targets import Target, board
from nhot.errors import NhotError
from nhot_hw.boards import make_platform
from nhot_hw.build.plan import NAME, elaborate
from nhot_hw.build.sources import source_files, write_files

__all__ = ["COMMAND", "write_project"]

_SCRIPT = f"{NAME}.tcl"

COMMAND = f"vivado -mode batch -source {_SCRIPT}"
"""What makes a bitstream of a project, in its folder."""

_README = """\
# {title}: {configuration}

**Untested: no vendor tool was run.** {tool} has not seen these files. Whether the engine fits the
{part}, whether it reaches its clock of {mhz:g} MHz, and whether it runs on the board, nobody has
checked.

In this folder,

    {command}

is to make `{name}.bit`; `{name}_timing.rpt` then says whether the clock is met, and
`{name}_utilization_place.rpt` what the engine takes. Where it is not met, a lower one
(`nhot build --board {board} --clock MHZ`) may be.

| file | what it is |
| --- | --- |
| `{name}.v` | the engine with its serial port and clock, in Verilog |
| `{name}.xdc` | pins, and the clock of the oscillator |
| `{script}` | the commands for {tool} |
| `engine.json` | sizes of the engine, for `nhot compile --config` |
| `registers.md` | what a host can reach, and how |
"""


def write_project(
    target: Target, folder: Path, *, engine: wiring.Component | None = None
) -> list[Path]:
    """Write ``folder/<board>/<configuration>`` with all that Vivado needs; returns the paths.

    Verilog, constraints, script, ``engine.json`` and ``registers.md``, and a ``README.md`` that
    says that they are untested. Equal targets give equal bytes. ``engine`` puts something else with
    the ports ``rx`` and ``tx`` there instead.

    Raises
    ------
    NhotError
        Open tools build for the board (:mod:`nhot_hw.build.flow`).
    """
    known = board(target.board)
    if not known.vendor_tool:
        raise NhotError(f"Board must be one that its maker's tool builds for, not {known.name!r}")
    platform = make_platform(target.board)
    made = elaborate(target, platform, engine)
    readme = _README.format(
        title=known.title, configuration=target.configuration, tool=known.vendor_tool,
        part=platform.part, mhz=target.clock_hz / 1e6, command=COMMAND, name=NAME,
        board=known.name, script=_SCRIPT,
    )
    return write_files(folder / known.name / target.configuration, {
        **source_files(target, made), _SCRIPT: made[_SCRIPT], "README.md": readme,
    })
