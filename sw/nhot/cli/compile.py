"""``nhot compile``: a network file becomes the memory image of an engine."""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nhot.cli.output import OutputFile, add_json_argument, print_json
from nhot.cli.reporting import (
    add,
    add_report_argument,
    check_report,
    image_entry,
    made,
    network_entry,
)
from nhot.cli.target import add_target_arguments, engine_config
from nhot.printable import say

if TYPE_CHECKING:
    from nhot.compiler import EngineConfig
    from nhot.network import Network

HELP = "compile a network into the memory image of a board"

_LOG = logging.getLogger("nhot")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("network", type=Path, metavar="NETWORK", help="network file (.onnx)")
    add_target_arguments(parser)
    parser.add_argument("-o", "--output", action=OutputFile, metavar="FILE",
                        help="the image (default: beside the network, as .img)")
    parser.add_argument("--fit", action=OutputFile, metavar="FILE",
                        help="write the smallest engine that holds the network to FILE, for "
                             "--config of other commands, and compile for it: the same array, "
                             "with the least widths and depths")
    add_report_argument(parser)
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Compile and write the image."""
    from nhot.cli.info import image_facts
    from nhot.compiler import compile_network
    from nhot.errors import NhotError
    from nhot.files import check_files, write_atomically
    from nhot.network.file import load

    output = args.output or args.network.with_suffix(".img")
    check_files(output)
    check_report(args)
    config = engine_config(args)
    network = load(args.network)
    if args.fit is not None:
        config, changed = _fitted(network, config)
    try:
        image = compile_network(network, config)
    except NhotError as error:
        raise NhotError(f"{error}; {_who_holds(network)}") from None
    if args.fit is not None:
        write_atomically(args.fit, f"{config.to_json()}\n".encode())
    write_atomically(output, image.to_bytes())
    if args.report is not None:
        known = network_entry(network, args.network)
        add(args, replace(image_entry(image, made("compile")), network=known.network))
    facts = {**image_facts(image), **_resources(config, args.board)}
    if args.json:
        fit = {"fit": {"file": str(args.fit), "changed": changed}} if args.fit is not None else {}
        print_json({"file": str(output), **fit, **facts})
        return 0
    say(output)
    if args.fit is not None:
        say(args.fit)
        for size, (before, after) in changed.items():
            _LOG.info("%-16s %s, was %s", size, after, before)
    for section in facts["sections"]:
        _LOG.info("%-8s %6d of %6d words", section["name"], section["words"], section["depth"])
    if layout := facts["input"]["window"]:
        _LOG.info("input    laid out in windows of %d x %d", *layout["kernel"])
    _LOG.info("%s cycles an inference", f"{facts['cycles']:,}")
    if "resources" in facts:
        _say_resources(args.board, facts["resources"])
    return 0


def _say_resources(board_name: str, known: dict[str, Any]) -> None:
    about = "about " if known["estimated"] else ""
    luts, blocks, dsps = (known[name] for name in ("luts", "block_memories", "dsps"))
    _LOG.info(
        "%s: %s%s of %s LUTs, %d of %d block memories%s, %s%.0f MHz%s", board_name, about,
        f"{luts[0]:,}", f"{luts[1]:,}", *blocks,
        f", {dsps[0]} of {dsps[1]} DSP blocks" if dsps[0] else "", about, known["fmax_mhz"],
        " (estimates)" if known["estimated"] else "",
    )


def _resources(config: EngineConfig, board_name: str | None) -> dict[str, dict[str, Any]]:
    """What the engine takes of the board, of what there is, where a board is named.

    As the manifest of its bitstream has it, or else an estimate, of which some families have none.
    """
    from nhot.compiler.estimates import estimate, has_estimates
    from nhot.compiler.targets import board
    from nhot.report.collect import known_build

    if board_name is None:
        return {}
    built, there = known_build(config, board_name), board(board_name)
    if built is not None:
        names = {"luts": "lut4", "block_memories": "bram", "dsps": "dsp"}
        known = {name: built.resources[cell] for name, cell in names.items()}
        return {"resources": {**known, "fmax_mhz": built.fmax_mhz, "estimated": False}}
    if not has_estimates(board_name):
        return {}
    found = estimate(config, board_name)
    return {"resources": {
        "luts": (found.luts, there.fpga.luts), "dsps": (found.dsps, there.fpga.dsps),
        "block_memories": (found.block_memories, there.fpga.block_memories),
        "fmax_mhz": found.fmax_mhz, "estimated": True,
    }}


def _who_holds(network: Network) -> str:
    """Where a refused network would fit."""
    from nhot.compiler.holders import smallest_holder

    engine = smallest_holder(network)
    if engine is None:
        return "no engine that comes with a board holds it (--fit FILE makes one)"
    return f"{engine.board} with --configuration {engine.configuration} holds it"


def _fitted(
    network: Network, config: EngineConfig
) -> tuple[EngineConfig, dict[str, tuple[int | str, int | str]]]:
    """The smallest engine, and its sizes that differ: before and after."""
    from dataclasses import asdict

    from nhot.compiler.fit import fit

    fitted = fit(network, config)
    before, after = asdict(config), asdict(fitted)
    changed = {size: (before[size], after[size]) for size in after if after[size] != before[size]}
    return fitted, changed
