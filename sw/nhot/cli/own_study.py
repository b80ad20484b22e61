"""``nhot study --model``: formats compared on a model and on data of one's own."""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nhot.cli.output import print_json, print_table
from nhot.cli.reporting import add, image_entry, network_entry
from nhot.cli.target import add_target_arguments, engine_config
from nhot.cli.trials import MODEL_HELP, add_trial_arguments, trial
from nhot.errors import NhotError
from nhot.printable import printable, say

if TYPE_CHECKING:
    from nhot.experiments.studies.own import Engine, Line, OwnFolder, OwnStudy
    from nhot.report.schema import Entry

__all__ = ["GIVEN", "add_own_arguments", "run_own"]

FORMATS = "int8,3hot,2hot,1hot,ternary,signed-binary"

PAGE = "report.html"

GIVEN = ("formats", "test", "size", "task", "samples", "measured", "weights", "option", "bits",
         "requant_terms", "adaptive_rounding", "board", "configuration", "config",
         "estimate")
"""What is of a model of one's own alone."""

_log = logging.getLogger("nhot")


def add_own_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments that go with ``--model``."""
    group = parser.add_argument_group("a model of your own")
    group.add_argument("--model", metavar="MODEL", help=MODEL_HELP)
    group.add_argument("--formats", metavar="FORMAT,...",
                       help=f"of the weights, a row each (default: {FORMATS})")
    add_trial_arguments(group)
    group.add_argument("--bits", type=int, metavar="N",
                       help="of activations, 2 to 8 (default: 8)")
    group.add_argument("--requant-terms", type=int, metavar="N",
                       help="signed powers of two, at most, of a multiplier that requantises "
                       "(default: 4)")
    group.add_argument("--adaptive-rounding", action="store_true", default=None,
                       help="choose levels by what a layer computes; takes minutes a format")
    add_target_arguments(group)
    group.add_argument("--estimate", action="store_true", default=None,
                       help="where no engine holds a network, estimate one made to measure on the "
                       "board")


def run_own(args: Namespace) -> int:
    """Try all formats, and print the table; the page is in the folder."""
    from nhot.experiments.studies.own import OwnFolder, format_names, run_study
    from nhot.experiments.studies.own.text import notes
    from nhot.files import write_atomically

    formats = format_names((FORMATS if args.formats is None else args.formats).split(","))
    engines, study = _engines(args), _study(args)
    folder = OwnFolder(args.output, study)
    lines = run_study(folder, formats, engines, estimated=bool(args.estimate))
    entries = [_entry(folder, line) for line in lines[1:]]
    if args.report is not None:
        for entry in entries:
            add(args, entry)
    write_atomically(folder.path / PAGE, _page(study, lines, entries).encode())
    if args.plot is not None:
        from nhot.experiments.studies.own.plot import plot

        plot(lines, args.plot, _title(study))
        _log.info("picture %s", args.plot)
    if args.json:
        print_json(_facts(study, lines))
        return 0
    _print(lines)
    for one in notes(lines):
        say(one)
    say()
    say(folder.path / PAGE)
    return 0


def _study(args: Namespace) -> OwnStudy:
    from nhot.experiments.studies.own import OwnStudy

    if args.data is None:
        raise NhotError("--data must be given with --model: formats are measured on them")
    original, data = trial(args)
    return OwnStudy(
        original=original, data=data,
        **{name: value for name, value in (
            ("bits", args.bits), ("requant_terms", args.requant_terms),
            ("adaptive", args.adaptive_rounding)) if value is not None},
    )


def _engines(args: Namespace) -> list[Engine]:
    """Those of the arguments, or of all boards; the smallest first."""
    from nhot.compiler.targets import target
    from nhot.experiments.studies.own import Engine, board_engines

    if args.config is not None:
        return [Engine.of(printable(args.config.stem), engine_config(args))]
    if args.configuration is not None:
        if args.board is None:
            raise NhotError("--board must be given with --configuration, which is one of a board's")
        target(args.board, args.configuration)
    return board_engines(args.board, args.configuration)


def _entry(folder: OwnFolder, line: Line) -> Entry:
    """What a report says of a format."""
    from dataclasses import replace

    from nhot.compiler import compile_network
    from nhot.report.schema import Evaluated

    trial = folder.trial(line.name)
    assert trial is not None
    network = folder.network(line.name)
    evaluated = Evaluated(
        stage="network", data=printable(_name(folder.study.data.measured_with)),
        metric=line.scored.metric, value=line.scored.value, samples=line.scored.samples,
        figures=line.scored.figures, made=trial.made,
    )
    entry = network_entry(network, folder.network_path(line.name))
    engine = line.place.engine
    if engine is not None:
        image = image_entry(compile_network(network, engine.config))
        entry = replace(image, network=entry.network)
    return replace(entry, evaluated=(evaluated,))


def _title(study: OwnStudy) -> str:
    return printable(f"{study.original.name} on {_name(study.data.measured_with)}")


def _page(study: OwnStudy, lines: Sequence[Line], entries: Sequence[Entry]) -> str:
    from nhot import __version__
    from nhot.experiments.studies.own.page import page

    data, original = study.data, study.original
    settings: dict[str, Any] = {
        "model": _name(original.model), "weights": _name(original.weights or ""),
        "options": ", ".join(f"{name}={value}" for name, value in original.options.items()),
        "ranges from": _name(data.data), "measured on": _name(data.measured_with),
        "bits of activations": study.bits,
        "terms of multipliers": study.requant_terms,
        "rounding": "adaptive" if study.adaptive else "nearest, biases corrected",
        "nhot": __version__,
    }
    shown = {name: printable(str(value)) for name, value in settings.items() if value}
    return page(_title(study), lines, entries, shown)


def _name(path: str) -> str:
    """What a page that is sent to others has of a path."""
    return Path(path).name


def _facts(study: OwnStudy, lines: Sequence[Line]) -> dict[str, Any]:
    return {"model": study.original.model, "data": study.data.data,
            "measured_with": study.data.measured_with, "held_out": lines[0].scored.held_out,
            "rows": [line.to_dict() for line in lines]}


def _print(lines: Sequence[Line]) -> None:
    from nhot.experiments.studies.own.text import HEADS, NUMERIC, cells

    rows = [cells(line) for line in lines]
    heads = (HEADS[0], lines[0].scored.metric, *HEADS[2:])
    shown = [column for column in range(len(heads)) if any(row[column] for row in rows)]
    numeric = {heads[column] for column in NUMERIC}
    print_table([heads[column] for column in shown],
                [[row[column] for column in shown] for row in rows], numeric)
    say()
