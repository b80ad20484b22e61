"""``nhot explore``: formats, engines and boards for a model of one's own, and the best of them."""

from __future__ import annotations

import logging
import shlex
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nhot.cli.output import OutputFile, OutputFolder, add_json_argument, print_json, print_table
from nhot.cli.trials import MODEL_HELP, add_trial_arguments, trial
from nhot.errors import NhotError
from nhot.printable import printable, say

if TYPE_CHECKING:
    from nhot.explore.point import Point
    from nhot.explore.sweep import Found, Sweep
    from nhot.trials import DataSpec, Original

HELP = "sweep formats, engines and boards for a model of your own, and choose"

EXAMPLE = """\
examples:
  nhot explore --model model.tflite --data test.npz -o sweep
      the usual formats and arrays on two boards, as estimates; run it again after a stop, or with
      more values, and it goes on
  nhot explore --model model.py:build --data train.npz --formats 2hot,1hot --filters 8,16 \\
      --boards icebreaker --place --least-rate 100 -o sweep
      what is near the front is synthesised, and the front placed; the smallest that is fast enough
  nhot explore --model model.onnx --data photographs --scheduler tcp://head:8786 -o sweep
      the same on the workers of a Dask cluster
"""

AXES = {
    "format": ("formats", "of the weights"),
    "bits": ("bits", "of activations"),
    "multiplier_terms": ("multiplier-terms",
                         "of a multiplier of the network that requantises, at most: 1, 2 or 4"),
    "pixels": ("pixels", "T of the array"),
    "filters": ("filters", "P of the array"),
    "inputs": ("inputs", "S of the array"),
    "requantisers": ("requantisers", "R"),
    "requant_terms": ("requant-terms", "of a multiplier, that R takes in a cycle: 1, 2 or 4"),
    "lane": ("lanes", "parallel, chain or serial"),
    "depthwise": ("depthwise", "no, or yes: lanes take nine taps of a depthwise layer"),
    "board": ("boards", "by name"),
}
"""Axes of a space: their options, and what values are of."""

PAGE = "report.html"

_log = logging.getLogger("nhot")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    from nhot.explore.space import Space

    parser.usage = "%(prog)s --model MODEL --data DATA [options] -o DIR"
    parser.epilog = EXAMPLE
    group = parser.add_argument_group("model and data")
    group.add_argument("--model", required=True, metavar="MODEL", help=MODEL_HELP)
    group.add_argument("--data", required=True, metavar="DATA",
                       help="that ranges are taken from: all that nhot evaluate takes")
    add_trial_arguments(group)
    group = parser.add_argument_group("axes, each a list with commas")
    for axis, (option, text) in AXES.items():
        default = ",".join(map(_default, getattr(Space, axis)))
        group.add_argument(f"--{option}", dest=axis, metavar="LIST",
                           help=f"{text} (default: {default})")
    group = parser.add_argument_group("work")
    group.add_argument("--synthesise", action="store_true",
                       help="synthesise what is near the Pareto front")
    group.add_argument("--place", action="store_true",
                       help="synthesise that, and place and route the front")
    group.add_argument("--jobs", type=int, metavar="N",
                       help="processes (default: one a processor)")
    group.add_argument("--scheduler", metavar="ADDRESS",
                       help="of a Dask cluster, as tcp://host:8786, whose workers see the same "
                       "files; they run what they are sent, so let it be on a network to trust")
    group = parser.add_argument_group("choice: the smallest engine of the front that has")
    group.add_argument("--least-score", type=float, metavar="X",
                       help="such a measure, as 0.95")
    group.add_argument("--least-rate", type=float, metavar="X",
                       help="so many inferences a second (default of both: the best measure, of "
                       "equals the fastest)")
    group = parser.add_argument_group("output")
    group.add_argument("-o", "--output", action=OutputFolder, required=True, metavar="DIR",
                       help="results of all jobs, the front's engines and networks, and "
                       f"{PAGE}")
    group.add_argument("--plot", action=OutputFile, metavar="FILE.svg",
                       help="also draw all points and their front")
    add_json_argument(group)


def run(args: Namespace) -> int:
    """Sweep, and print the table and how to build what was chosen."""
    from nhot.explore.executor import open_executor
    from nhot.explore.space import Space
    from nhot.explore.store import Store
    from nhot.explore.sweep import Sweep

    if args.jobs is not None and args.jobs < 1:
        raise NhotError(f"--jobs must be at least 1, not {args.jobs}")
    if args.jobs is not None and args.scheduler is not None:
        raise NhotError("--jobs must not be given with --scheduler, which has workers of its own")
    space = Space.parse({axis: getattr(args, axis) for axis in AXES})
    original, data = trial(args, _absolute)
    store = Store.create(args.output)
    with open_executor(args.scheduler, args.jobs) as executor:
        sweep = Sweep(original=original, data=data, space=space, store=store, executor=executor)
        found = sweep.estimated()
        if args.synthesise or args.place:
            sweep.synthesised(found)
        if args.place:
            sweep.placed(found)
        chosen = found.choose(args.least_score, args.least_rate)
        clock_hz = None if chosen is None else _clock(sweep, chosen)
    facts = _facts(args, found, chosen, clock_hz)
    _write(args, found, chosen, facts["commands"], _title(original, data))
    if args.json:
        print_json(facts)
    else:
        _print(args, found, chosen, facts["commands"])
    if chosen is None:
        raise _out_of_reach(args, found)
    return 0


def _default(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _absolute(path: str) -> str:
    """A path that workers find, whatever their folder; names of what nhot has stay as they are."""
    file, colon, function = path.rpartition(":")
    for place, rest in ((path, ""), (file, f"{colon}{function}")):
        if place and Path(place).exists():
            return f"{Path(place).absolute()}{rest}"
    return path


def _clock(sweep: Sweep, chosen: Point) -> int | None:
    """The clock to build for; None where the packages that know boards are not installed."""
    try:
        return sweep.clock_hz(chosen)
    except ModuleNotFoundError:
        return None


def _write(
    args: Namespace, found: Found, chosen: Point | None, commands: list[str], title: str
) -> None:
    """The engines and networks of the front, the page, and the picture if it is wanted."""
    from nhot.explore.sweep_page import page
    from nhot.files import read_file, write_atomically

    folder = args.output / "front"
    folder.mkdir(exist_ok=True)
    names = {f"{point.name}.{kind}" for point in found.front for kind in ("json", "onnx")}
    for old in folder.iterdir():
        if old.name not in names and old.suffix in {".json", ".onnx"}:
            old.unlink()  # of a front that was before
    for point in found.front:
        write_atomically(folder / f"{point.name}.json", f"{point.config.to_json()}\n".encode())
        network = read_file(point.network, "Network")
        write_atomically(folder / f"{point.name}.onnx", network)
    text = page(title, found, chosen, commands, _settings(args))
    write_atomically(args.output / PAGE, text.encode())
    if args.plot is not None:
        from nhot.explore.plot import plot

        plot(found, args.plot, title)
        _log.info("picture %s", args.plot)


def _title(original: Original, data: DataSpec) -> str:
    return printable(f"{original.name} on {Path(data.measured_with).name}")


def _settings(args: Namespace) -> dict[str, str]:
    """What was given, but for folders, which are nobody else's."""
    from nhot import __version__

    names = ("model", "weights", "data", "test")
    given = {name: Path(getattr(args, name)).name for name in names if getattr(args, name)}
    axes = {option: getattr(args, axis) for axis, (option, _) in AXES.items()}
    shown = {**given, **axes, "nhot": __version__}
    return {name: printable(text) for name, text in shown.items() if text}


def _facts(
    args: Namespace, found: Found, chosen: Point | None, clock_hz: int | None
) -> dict[str, Any]:
    front = found.front
    return {
        "model": args.model, "data": args.data, "metric": found.original.metric,
        "original": found.original.value, "samples": found.original.samples, "stage": found.stage,
        "points": [{**point.to_dict(), "front": point in front} for point in found.points],
        "left_out": dict(found.left_out), "chosen": None if chosen is None else chosen.name,
        "commands": [] if chosen is None else _commands(args.output, chosen, clock_hz),
    }


def _commands(folder: Path, chosen: Point, clock_hz: int | None) -> list[str]:
    """What builds the chosen point: its bitstream, and the image of its network."""
    engine = folder / "front" / f"{chosen.name}.json"
    clock = [] if clock_hz is None else ["--clock", f"{clock_hz / 1e6:g}"]
    return [
        shlex.join(["nhot", "build", "--board", chosen.board, "--config", str(engine), *clock]),
        shlex.join(["nhot", "compile", str(engine.with_suffix(".onnx")), "--config", str(engine)]),
    ]


def _print(args: Namespace, found: Found, chosen: Point | None, commands: list[str]) -> None:
    from nhot.explore.columns import columns, left_out

    front, metric = found.front, found.original.metric
    shown = columns(found.points, metric)
    print_table([one.head for one in shown],
                [[_cell(one.value(point)) for one in shown] for point in front],
                {one.head for one in shown if one.numeric})
    say()
    say(f"original: {metric} {found.original.text}, {found.original.samples:,} samples; "
        f"{len(found.points):,} engines, {len(front):,} of them on the front, {found.stage}")
    for line in left_out(found.left_out):
        say(line)
    if chosen is not None:
        say()
        say(f"chosen: {chosen.name}, {metric} {chosen.scored.text}, "
            f"{chosen.rate:,.0f} inferences/s, {chosen.luts:,} LUTs")
        for command in commands:
            say(command)


def _cell(value: int | float | str) -> int | str:
    return f"{value:.1f}" if isinstance(value, float) else value


def _out_of_reach(args: Namespace, found: Found) -> NhotError:
    best = max(found.front, key=lambda point: point.scored.better)
    fastest = max(found.front, key=lambda point: point.rate)
    wanted = [f"--{name} {value:g}" for name, value in (
        ("least-score", args.least_score), ("least-rate", args.least_rate)) if value is not None]
    return NhotError(f"{' and '.join(wanted)} must be within reach of an engine of the front, of "
                     f"which the best has {best.scored.text}, the fastest "
                     f"{fastest.rate:,.0f} inferences/s")
