"""What goes into a bitstream: netlist, constraints and commands, and a hash of all of it."""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from amaranth.build import Platform
from amaranth.lib import wiring

from nhot.compiler.targets import Target, board
from nhot.errors import NhotError
from nhot_hw.boards import BoardTop, make_platform
from nhot_hw.build.placeholders import placeholders
from nhot_hw.build.tools import tool_versions
from nhot_hw.families import FAMILIES, OpenFamily
from nhot_hw.families.family import Blocks

__all__ = ["NAME", "BuildPlan", "elaborate", "make_engine", "patchable_blocks", "plan_build"]

NAME = "top"
# No word of a design is read in the cycle in which it is written, other than to be thrown away: the
# engine's tensors never overlap, hosts wait for the engine, queues read what was written before.
# Amaranth cannot say so, and Yosys would guard every memory with registers and comparators.
_AFTER_READ = "setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2"


@dataclass(frozen=True, kw_only=True)
class BuildPlan:
    """Everything a build depends on; equal plans give equal bitstreams, on every machine.

    Parameters
    ----------
    target : Target
    seed : int
        Start of the placer's random numbers.
    part : str
        The part as its maker writes it.
    family : OpenFamily
    files : dict
        Text of each input file by name.
    headroom : float
        How many times as fast as the engine's clock nextpnr is to make it.
    commands : tuple
        Program and arguments, in order: synthesis, place and route, packing.
    tools : dict
        Version of each Python package that takes part.
    """

    target: Target
    seed: int
    part: str
    family: OpenFamily
    files: dict[str, str]
    headroom: float
    commands: tuple[tuple[str, ...], ...]
    tools: dict[str, str]

    @property
    def product(self) -> str:
        """File name of the bitstream."""
        return f"{NAME}.{self.family.bitstream}"

    @property
    def constraints(self) -> str:
        """File name of the pin and clock constraints."""
        return f"{NAME}.{self.family.constraints}"

    @property
    def digest(self) -> str:
        """SHA-256 of netlist, constraints, commands and tool versions, in hexadecimal."""
        return _digest([self.files, self.commands, self.tools])

    @property
    def synthesis_digest(self) -> str:
        """SHA-256 of what the synthesised netlist depends on, which the seed is not part of."""
        sources = {name: self.files[name] for name in (f"{NAME}.il", f"{NAME}.ys")}
        return _digest([sources, self.commands[0], self.tools])

    def with_seed(self, seed: int) -> "BuildPlan":
        """The same build, placed from another seed."""
        _check_seed(seed)
        place = list(self.commands[1])
        place[place.index("--seed") + 1] = str(seed)
        return replace(self, seed=seed, commands=(self.commands[0], tuple(place),
                                                  *self.commands[2:]))


def plan_build(
    target: Target, *, seed: int = 1, engine: wiring.Component | None = None
) -> BuildPlan:
    """Elaborate the engine of ``target`` for its board.

    Parameters
    ----------
    target : Target
    seed : int
        0 to 2**31 - 1.
    engine : wiring.Component, optional
        Something else with the ports ``rx`` and ``tx`` in place of the engine.

    Raises
    ------
    NhotError
        Its maker's tool builds for the board (:mod:`nhot_hw.build.project`).
    """
    _check_seed(seed)
    family = FAMILIES[board(target.board).family]
    if not isinstance(family, OpenFamily):
        raise NhotError(f"Board must be one that open tools build for, not {target.board!r}, for "
                        f"which {board(target.board).vendor_tool} does")
    platform = make_platform(target.board)
    headroom = family.headroom if _has_pll(target, platform) else 1
    files = elaborate(
        target, platform, engine,
        script_after_read="\n".join([_AFTER_READ, *family.synthesis_settings]),
        synth_opts=list(family.synthesis_options),
        script_after_synth="tee -q -o cells.json stat -json",
        nextpnr_opts=[
            *family.place_options, "--seed", str(seed), "--report", "report.json",
            "--timing-allow-fail", *_frequency(family, target.clock_hz),
        ],
        add_preferences=_aim(target.clock_hz * headroom) if headroom > 1 else "",
    )
    names = [f"{NAME}.il", f"{NAME}.ys", f"{NAME}.{family.constraints}"]
    commands = json.loads(files[f"build_{NAME}.json"])["commands"]
    return BuildPlan(
        target=target, seed=seed, family=family, headroom=headroom,
        part=platform.part,
        files={name: files[name] for name in names},
        commands=tuple(tuple(_plain(command)) for command in commands),
        tools=tool_versions([command[0] for command in commands]),
    )


def elaborate(
    target: Target, platform: Platform, engine: wiring.Component | None = None, **overrides: Any
) -> dict[str, str]:
    """The files that Amaranth makes for a build, by name, with no paths in them."""
    if engine is None:
        engine = make_engine(target)
    plan = platform.build(
        BoardTop(target, engine), name=NAME, do_build=False, emit_src=False, **overrides
    )
    return dict(plan.files)


def _has_pll(target: Target, platform: Platform) -> bool:
    return target.clock_hz != int(platform.default_clk_frequency)


def _frequency(family: OpenFamily, clock_hz: int) -> list[str]:
    """The options that tell nextpnr the clock of the engine, where no constraint does."""
    return [family.frequency_option, f"{clock_hz / 1e6:g}"] if family.frequency_option else []


def _aim(frequency_hz: float) -> str:
    """Preference of an ECP5 for the PLL's output, in place of what nextpnr derives for it."""
    return f'FREQUENCY NET "clock.clk" {frequency_hz:.0f} HZ;'


def make_engine(target: Target) -> wiring.Component:
    """The engine of ``target`` with its host link."""
    from nhot_hw.io.accelerator import Top

    if target.patchable:
        patchable_blocks(target)
    return Top(
        target.config, clock_hz=target.clock_hz, baud=target.baud,
        flash_address=target.flash_address,
        contents=placeholders(target.config) if target.patchable else None,
    )


def patchable_blocks(target: Target) -> Blocks:
    """Where a bitstream has the contents of its block memories; :class:`NhotError` if unknown."""
    known = board(target.board)
    family = FAMILIES[known.family]
    if not isinstance(family, OpenFamily) or family.blocks is None:
        raise NhotError(
            f"Patchable bitstream must be one of an ECP5 or an iCE40, not of a {known.fpga.name}"
        )
    return family.blocks


def _check_seed(seed: int) -> None:
    if not isinstance(seed, int) or not 0 <= seed < 2**31:
        raise NhotError(f"Seed must be 0 to {2**31 - 1}, not {seed!r}")


def _plain(command: list[str]) -> list[str]:
    """Without what silences or doubles the log, and without a second bitstream for a cable."""
    kept = [word for word in command if word not in ("-q", "--quiet")]
    for option in ("-l", "--log", "--svf"):
        if option in kept:
            at = kept.index(option)
            del kept[at:at + 2]
    return kept


def _digest(parts: list[object]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
