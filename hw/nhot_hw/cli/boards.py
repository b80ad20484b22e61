"""``nhot boards``: the boards that nhot knows, and what fits on them."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from nhot.cli.output import add_json_argument, print_json, print_table
from nhot.errors import MissingToolError
from nhot.printable import say

if TYPE_CHECKING:
    from nhot.contract.board import Board

HELP = "list the boards, and what fits on each; or all about one"

EXAMPLE = """\
examples:
  nhot boards
      every board with its default engine: multiply-accumulates a cycle, room for weights, and
      inferences a second of the four networks of MLPerf Tiny, where they have room
  nhot boards ulx3s-25f
      its pins, clock, flash and engines, and how an engine is built and loaded

Inferences a second are the engine's clock over cycles, which are exact. LUTs with ~ are estimates;
the others are those of a bitstream that comes with nhot. Of untested ones nothing is known but the
clock that they are written for. What an engine reaches here is no result of MLPerf Tiny.
"""

_NETWORKS = {"ic": "ResNet-8", "kws": "DS-CNN", "vww": "MobileNetV1-0.25", "ad": "autoencoder"}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EXAMPLE
    parser.add_argument("board", nargs="?", metavar="BOARD", help="all about this one")
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Print the list, or one board."""
    from nhot.boards import BOARDS
    from nhot.compiler.targets import board
    from nhot.progress import track

    if args.board is not None:
        facts = _facts(board(args.board), list(board(args.board).configurations))
        facts["pins"] = _pins(args.board)
        print_json(facts) if args.json else _print_one(facts)
        return 0
    every = [_facts(one, [one.default]) for one in track(BOARDS.values(), "boards", unit="boards")]
    print_json(every) if args.json else _print_list(every)
    return 0


def _facts(board: "Board", configurations: list[str]) -> dict[str, Any]:
    from nhot.compiler.targets import target
    from nhot.report.boards import engine_facts

    engines = [engine_facts(target(board.name, name)).to_dict() for name in configurations]
    return {
        "name": board.name, "title": board.title, "fpga": board.fpga.name, "family": board.family,
        "luts": board.fpga.luts, "block_memories": board.fpga.block_memories,
        "dsps": board.fpga.dsps, "oscillator_mhz": board.input_hz / 1e6, "loader": board.loader,
        "flash_bytes": board.flash.size, "flash_offset": board.flash.offset,
        "remark": board.remark, "engines": engines,
    }


def _pins(name: str) -> dict[str, str]:
    try:
        from nhot_hw.boards import make_platform
        from nhot_hw.boards.pins import engine_pins
    except ModuleNotFoundError as error:
        raise MissingToolError(
            f"{error.name} must be installed for pins: pip install 'nhot[hw]'"
        ) from None
    return engine_pins(make_platform(name))


def _print_list(boards: list[dict[str, Any]]) -> None:
    heads = ("board", "FPGA", "title", "engine", "MHz", "MAC/cycle", "weights", "LUTs",
             *(f"{name}/s" for name in _NETWORKS))
    print_table(heads, [
        [one["name"], one["fpga"], one["title"], *_cells(engine)]
        for one in boards for engine in one["engines"]
    ], heads[4:])
    say()
    names = ", ".join(f"{short}: {name}" for short, name in _NETWORKS.items())
    say(f"{names}; inferences a second at the engine's clock, empty where it has no room. "
        "~: an estimate; untested: written for a tool that was not run, and nothing is measured.")


def _cells(engine: dict[str, Any]) -> list[Any]:
    rates = engine["inferences_per_s"]
    return [engine["configuration"], f"{engine['clock_mhz']:g}", engine["macs"], engine["weights"],
            _luts(engine), *(_whole(rates[name]) for name in _NETWORKS)]


def _luts(engine: dict[str, Any]) -> str:
    if engine["figures"] == "untested":
        return "untested"
    if engine["luts"] is None:
        return ""
    return f"{'~' if engine['figures'] == 'estimate' else ''}{engine['luts']:,}"


def _or_empty(value: int | None) -> int | str:
    return "" if value is None else value


def _whole(rate: float | None) -> str:
    return "" if rate is None else f"{rate:,.0f}"


def _print_one(board: dict[str, Any]) -> None:
    name = board["name"]
    cells = (f"{board['luts']:,} LUTs, {board['block_memories']} block memories, "
             f"{board['dsps']} DSP blocks")
    place = f"images lie from {board['flash_offset']:#x} on"
    say(f"{board['title']} ({name})")
    for what, text in (
        ("FPGA", f"{board['fpga']}: {cells}"),
        ("oscillator", f"{board['oscillator_mhz']:g} MHz"),
        ("flash", f"{board['flash_bytes'] >> 20} MiB; {place}"),
        ("pins", ", ".join(f"{line} {pin}" for line, pin in board["pins"].items())),
        ("build", f"nhot build --board {name} -o build"),
        ("load", f"openFPGALoader -b {board['loader']} BITSTREAM" if board["loader"] else ""),
        ("without it", f"nhot run IMAGE --port virtual:{name} --input x.npy"),
        ("note", board["remark"]),
    ):
        if text:
            say(f"  {what:<10}  {text}")
    say()
    heads = ("engine", "MHz", "MAC/cycle", "weights", "LUTs",
             *(f"{short}/s" for short in _NETWORKS), "block memories", "Fmax")
    print_table(heads, [
        [*_cells(engine), _or_empty(engine["block_memories"]),
         "" if engine["fmax_mhz"] is None else f"{engine['fmax_mhz']:.1f}"]
        for engine in board["engines"]
    ], heads[1:])
