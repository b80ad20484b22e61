"""Verilog and constraints for other tools, with a description of what the host can reach."""

import json
from dataclasses import asdict
from pathlib import Path

from amaranth.lib import wiring

from nhot.compiler.targets import Target, board
from nhot.contract.config import EngineConfig
from nhot.contract.program import Region
from nhot.device.protocol import MAX_PAYLOAD, Opcode, Status
from nhot.files import write_atomically
from nhot_hw.boards import make_platform
from nhot_hw.build.plan import NAME, elaborate
from nhot_hw.families import FAMILIES
from nhot_hw.verilog import rtlil_to_verilog

__all__ = ["register_map", "source_files", "write_files", "write_sources"]

_REGIONS = {
    Region.PROGRAM: "descriptors of the layers, 32-bit words, little endian",
    Region.REQUANT: "records of the requantisers, 32 bits for each of R, little endian",
    Region.WEIGHTS: "weights; written as dense codes, read back as lane fields of whole bytes",
    Region.ACTIVATIONS: "activations, S channels of one position a word, signed 8 bits",
    Region.TIMING: "for each layer the cycle at which it ended, and its stalls so far; read only",
}


def write_sources(
    target: Target, folder: Path, *, engine: wiring.Component | None = None
) -> list[Path]:
    """Write ``top.v``, the constraints, ``engine.json`` and ``registers.md``; returns their paths.

    ``top.v`` has the pins of the board and instantiates cells of its FPGA. Equal targets give
    equal bytes. ``engine`` puts something else with the ports ``rx`` and ``tx`` there instead.
    """
    made = elaborate(target, make_platform(target.board), engine)
    return write_files(folder, source_files(target, made))


def source_files(target: Target, made: dict[str, str]) -> dict[str, str]:
    """The files of :func:`write_sources` by name, of what :func:`elaborate` has made."""
    constraints = f"{NAME}.{FAMILIES[board(target.board).family].constraints}"
    return {
        f"{NAME}.v": rtlil_to_verilog(made[f"{NAME}.il"], NAME),
        constraints: made[constraints],
        "engine.json": json.dumps(asdict(target.config), indent=2, sort_keys=True) + "\n",
        "registers.md": register_map(target),
    }


def write_files(folder: Path, files: dict[str, str]) -> list[Path]:
    """Write texts by name into ``folder``, each whole or not at all; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_atomically(folder / name, text.encode())
    return [folder / name for name in files]


def register_map(target: Target) -> str:
    """What a host can reach in an engine and how, as Markdown."""
    config = target.config
    rows = [
        f"| {region.value} | {region.name.lower()} | {depth:,} | {size} | {_REGIONS[region]} |"
        for region, (depth, size) in _regions(config).items()
    ]
    sizes = f"T x P x S = {config.pixels} x {config.filters} x {config.inputs}"
    return "\n".join([
        f"# {board(target.board).title}: {target.configuration}",
        "",
        f"* {sizes}, R = {config.requantisers}, {config.format} weights",
        f"* {config.macs} multiply-accumulates a step, {target.clock_hz / 1e6:g} MHz",
        f"* target id {config.target_id:#010x}",
        f"* serial port: {target.baud:,} baud, 8N1",
        f"* a frame is COBS-stuffed, ended by a zero byte, with at most {MAX_PAYLOAD} data bytes",
        "",
        "## Regions",
        "",
        "| number | name | words | bytes a word | holds |",
        "| ---: | --- | ---: | ---: | --- |",
        *rows,
        "",
        "## Requests",
        "",
        "| opcode | name |",
        "| ---: | --- |",
        *(f"| {opcode.value} | {opcode.name} |" for opcode in Opcode),
        "",
        "## Status of a response",
        "",
        "| code | name |",
        "| ---: | --- |",
        *(f"| {status.value} | {status.name} |" for status in Status),
    ]) + "\n"


def _regions(config: EngineConfig) -> dict[Region, tuple[int, int | str]]:
    """Depth and bytes a word of each region."""
    from nhot.contract.memories import timing_words

    return {
        Region.PROGRAM: (config.program_words, 4),
        Region.REQUANT: (config.requant_words, 4 * config.requantisers),
        Region.WEIGHTS: (
            config.weight_words, f"{config.code_bytes} written, {config.field_bytes} read"
        ),
        Region.ACTIVATIONS: (config.activation_words, config.inputs),
        Region.TIMING: (timing_words(config), 4),
    }
