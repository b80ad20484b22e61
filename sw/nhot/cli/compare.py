"""``nhot compare``: two stages of a model, layer by layer."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from dataclasses import asdict, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from nhot.cli.evaluate import add_samples_arguments, open_source
from nhot.cli.output import add_json_argument, print_json, print_table
from nhot.cli.reporting import add, add_report_argument, check_report, made
from nhot.cli.stages import (
    WHAT,
    add_stage_arguments,
    is_image,
    network_of,
    open_stage,
    stage_entry,
)
from nhot.errors import NhotError
from nhot.printable import printable, say

if TYPE_CHECKING:
    from nhot.report.schema import Compared
    from nhot.stages import Stage
    from nhot.stages.compare import Comparison

HELP = "name the first layer in which two stages of a model differ, and what to try"

EXAMPLE = """\
examples:
  nhot compare model.py:build net.onnx --weights float.pt --data digits
      what rounding costs in each layer, and in each layer by itself
  nhot compare model.tflite net.onnx --data photographs
      a quantised model of another tool, by its own interpreter, beside the network made of it
  nhot compare net.onnx net.img --data digits --port virtual
      a board layer by layer: every integer must be the same
  nhot compare 3hot.onnx 1hot.onnx --data digits
      two networks of one model

exit code 0 if no layer differs, 1 if one does
"""

HEADS = ("layer", "operator", "SQNR", "own SQNR", "largest", "units", "differing", "")

SAMPLES, ON_BOARD = 32, 4


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = "%(prog)s A B --data DATA [options]"
    parser.epilog = EXAMPLE
    parser.add_argument("a", metavar="A", help=f"what B is judged by: {WHAT}")
    parser.add_argument("b", metavar="B", help="the same; with --port the last of both that is an "
                        "image runs on the board")
    group = parser.add_argument_group("data")
    add_samples_arguments(group, f"{SAMPLES}, on a board {ON_BOARD}")
    group.add_argument("--sqnr", type=float, default=20.0, metavar="DB",
                       help="a layer differs below so many decibels of signal to difference "
                       "(default: %(default)g); integers that should be equal differ at once")
    add_stage_arguments(parser)
    group = parser.add_argument_group("output")
    add_report_argument(group)
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Compare, print the table, and say what to try."""
    from nhot.stages.advice import advice
    from nhot.stages.compare import compare

    check_report(args)
    if not isfinite(args.sqnr):
        raise NhotError(f"--sqnr must be a finite number of decibels, not {args.sqnr}")
    with ExitStack() as stack:
        a, b = _open(args, stack)
        source, split = open_source(args, a.size or b.size)
        from nhot.experiments.evaluation import some_samples

        most = SAMPLES if args.port is None else ON_BOARD
        most = most if args.samples is None else args.samples
        found = compare(a, b, some_samples(source, split, most), least=args.sqnr)
        hints = advice(a, b, found)
        if args.report is not None:
            spec, stage = (args.b, b) if b.network is not None else (args.a, a)
            entry = stage_entry(spec, stage)
            add(args, replace(entry, compared=(_part(args, a, b, found, hints),)))
    facts = _facts(args, a, b, found, hints)
    if args.json:
        print_json(facts)
    else:
        _print(args, a, b, found, hints)
    return 0 if found.first is None else 1


def _open(args: Namespace, stack: ExitStack) -> tuple[Stage, Stage]:
    images = [place for place, spec in enumerate((args.a, args.b)) if is_image(spec)]
    if args.port is not None and not images:
        raise NhotError("--port must be given with an image, which the board is to run, not with "
                        f"{args.a!r} and {args.b!r}")
    on_board = images[-1] if args.port is not None else None
    known = network_of(args.a) or network_of(args.b)
    a, b = (
        stack.enter_context(open_stage(args, spec, port=place == on_board, network=known))
        for place, spec in enumerate((args.a, args.b))
    )
    return a, b


def _facts(
    args: Namespace, a: Stage, b: Stage, found: Comparison, hints: list[str]
) -> dict[str, Any]:
    return {
        "a": args.a, "b": args.b, "stages": [a.kind, b.kind], "data": args.data,
        "samples": found.samples, "exact": found.exact, "classes": found.classes,
        "first": None if found.first is None else found.first.layer,
        "layers": [{name: None if isinstance(value, float) and not isfinite(value) else value
                    for name, value in asdict(one).items()} for one in found.layers],
        "try": hints,
    }


def _part(
    args: Namespace, a: Stage, b: Stage, found: Comparison, hints: list[str]
) -> Compared:
    from nhot.cli.reporting import TRAINING
    from nhot.report.schema import Compared, ComparedLayer

    def decibels(value: float | None) -> float | None:
        return value if value is not None and isfinite(value) else None

    return Compared(
        a=a.kind, b=b.kind, data=printable(args.data), samples=found.samples, exact=found.exact,
        first="" if found.first is None else found.first.layer, classes=found.classes,
        layers=tuple(
            ComparedLayer(name=one.layer, largest=one.largest, differing=one.differing,
                          sqnr=decibels(one.sqnr), own=decibels(one.own))
            for one in found.layers
        ),
        hints=tuple(map(printable, hints)),
        made=made("compare", () if a.network and b.network else TRAINING),
    )


def _print(
    args: Namespace, a: Stage, b: Stage, found: Comparison, hints: list[str]
) -> None:
    say(f"{a.kind} and {b.kind} on {found.samples:,} samples of {args.data}")
    say()
    first = found.first
    rows = [
        (one.layer, one.operator, _decibels(one.sqnr), _decibels(one.own), f"{one.largest:.3g}",
         "" if one.units is None else f"{one.units:.4g}", f"{one.differing:.2%}",
         "" if not one.differs else "first that differs" if one is first else "differs")
        for one in found.layers
    ]
    print_table(HEADS, rows, HEADS[2:-1])
    say()
    if found.classes is not None:
        say(f"the largest output is the same in {found.classes:.2%} of the samples")
    if first is None:
        say("all integers are the same" if found.exact else "no layer differs")
        return
    say(f"the first layer that differs is {first.layer}")
    for hint in hints:
        say(f"try  {hint}")


def _decibels(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f} dB" if isfinite(value) else "equal" if value > 0 else "no signal"
