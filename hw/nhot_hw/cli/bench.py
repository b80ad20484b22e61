"""``nhot bench``: what the gateware costs, how fast networks run on it, how fast software is."""

import logging
import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from nhot.cli.output import OutputFile, add_json_argument, print_json, print_table
from nhot.errors import NhotError

HELP = "measure the cells and the clock of each kind of lane, whole networks, or the software"

# What numpy's libraries read when they are loaded.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("what", nargs="?", default="lanes", choices=[*_WHAT],
                        help="what to measure: lanes in gateware, how many of their nets change "
                        "for a multiply-accumulate (toggles), whole engines with lanes of each "
                        "format beside int8 (engines), the networks of MLPerf Tiny on "
                        "the engines of all bitstreams, the bit-exact reference beside "
                        "onnxruntime, rounding and training steps beside float ones, models of "
                        "other tools beside their own interpreter, or estimates of engines beside "
                        "committed bitstreams (default: lanes)")
    parser.add_argument("--fit", action=OutputFile, metavar="FILE.json",
                        help="estimates: fit them anew, to engines that are synthesised, packed "
                        "and some of them routed for that, in hours; what is there goes on")
    parser.add_argument("--family", choices=["ecp5", "ice40"],
                        help="lanes and engines: of one FPGA family only")
    parser.add_argument("--quick", action="store_true",
                        help="lanes and toggles: of four inputs only; a shorter look at each "
                        "layer; small networks in training")
    parser.add_argument("--cells", action="store_true",
                        help="lanes: no place and route, no clock")
    parser.add_argument("--networks", metavar="NAMES",
                        help="networks: which ones, with commas between them (default: "
                        "ic,kws,vww,ad)")
    parser.add_argument("--models", type=Path, metavar="DIR",
                        help="networks: the folder of the reference weights (ic01_float.tflite, "
                        "...; default, and for a file that is missing: random weights, which "
                        "give the same cycles); imports: that of the models *_int8.tflite")
    parser.add_argument("--data", type=Path, metavar="DIR",
                        help="networks: the folder of CIFAR-10, on whose test images the "
                        "reference model of --models is judged in float, int8 and the engines' "
                        "formats; imports: the same, as inputs of ic01_int8.tflite")
    parser.add_argument("--config", type=Path, action="append", metavar="FILE",
                        help="networks: sizes of an engine of your own, as JSON, to measure too; "
                        "may be given again")
    parser.add_argument("--board", metavar="BOARD",
                        help="networks: the board that the engines of --config are for")
    parser.add_argument("--fmax", type=float, metavar="MHZ",
                        help="networks: the clock that the engines of --config reach")
    parser.add_argument("--requant-terms", type=int, choices=[1, 2, 4], metavar="N",
                        help="networks: most terms of a multiplier (default: what the engine "
                        "takes in a cycle, at least 2)")
    parser.add_argument("--simulate", action="store_true",
                        help="networks: run each on a virtual board, which must give the "
                        "reference's outputs in the cycles that are predicted")
    parser.add_argument("--markdown", action=OutputFile, metavar="FILE",
                        help="lanes, networks: also write the table to FILE as Markdown")
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Measure, and print the table."""
    for option, kinds in _OPTIONS.items():
        given = getattr(args, option.replace("-", "_"))
        if given is not None and given is not False and args.what not in kinds:
            raise NhotError(f"--{option} is for nhot bench {' and '.join(kinds)}, "
                            f"not for {args.what}")
    return _WHAT[args.what](args)


def _lanes(args: Namespace) -> int:
    from nhot.files import write_atomically
    from nhot_hw.bench import sweep
    from nhot_hw.bench.lanes import FAMILIES

    families = [args.family] if args.family else list(FAMILIES)
    rows = sweep.sweep(families, (4,) if args.quick else (4, 16), timing=not args.cells)
    if args.markdown is not None:
        write_atomically(args.markdown, sweep.to_markdown(rows).encode())
    return _print(args, sweep.COLUMNS, sweep.COLUMNS[2:], rows, sweep.legend(families))


def _toggles(args: Namespace) -> int:
    from nhot_hw.bench import toggles

    rows = toggles.measure(inputs=4 if args.quick else 16)
    return _print(args, toggles.COLUMNS, toggles.COLUMNS[1:], rows, toggles.legend())


def _engines(args: Namespace) -> int:
    from nhot.compiler.targets import board
    from nhot_hw.bench import whole_engines

    boards = [name for name in whole_engines.ENGINES if args.family in (None, board(name).family)]
    rows = whole_engines.measure(boards)
    columns = whole_engines.COLUMNS
    return _print(args, columns, columns[3:5], rows, whole_engines.legend(rows))


def _reference(args: Namespace) -> int:
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    from nhot_hw.bench import reference

    rows = reference.compare(seconds=0.05 if args.quick else 0.5)
    return _print(args, reference.COLUMNS, reference.COLUMNS[1:], rows, reference.legend())


def _quantisation(args: Namespace) -> int:
    from nhot_hw.bench import quantisation

    rows = quantisation.measure(quick=args.quick)
    columns = quantisation.COLUMNS
    return _print(args, columns, columns[3:], rows, quantisation.legend())


def _networks(args: Namespace) -> int:
    from nhot.compiler.targets import board
    from nhot.files import write_atomically
    from nhot_hw.bench.networks import measure, measured_on, names
    from nhot_hw.bench.networks.simulated import simulate

    chosen = names(args.networks)
    if args.fmax is not None and not 0 < args.fmax <= 10_000:
        raise NhotError(f"--fmax must be above 0, at most 10000 MHz, not {args.fmax}")
    if (args.fmax is not None or args.board) and not args.config:
        raise NhotError("--config must be given with --fmax and --board, which are about its "
                        "engine")
    if args.data is not None and args.models is None:
        raise NhotError("--models must be given with --data, on which its model is judged")
    if args.board:
        board(args.board)
    own = [measured_on.own(path, board=args.board or "", fmax_mhz=args.fmax)
           for path in args.config or ()]
    measured = measured_on.committed() + own
    judged = _judged(args, [engine.config.format for engine in measured])
    rows = measure.measure(
        chosen, measured, folder=args.models, requant_terms=args.requant_terms,
        simulate=simulate if args.simulate else None,
    )
    if args.markdown is not None:
        write_atomically(args.markdown, measure.to_markdown(rows).encode())
    legend = [*measure.reasons(rows), *measure.legend(rows)]
    if judged:
        text = ", ".join(f"{name} {value:.2%}" for name, value in judged.items())
        legend.append(f"ic, rounded without training, on test images of CIFAR-10: {text}.")
    return _print(args, measure.COLUMNS, measure.NUMERIC, rows, legend,
                  **{"accuracy": judged} if judged else {})


def _imports(args: Namespace) -> int:
    if args.models is None:
        raise NhotError("--models must name the folder of the models *_int8.tflite")
    from nhot_hw.bench import imports

    rows = imports.measure(args.models, args.data)
    return _print(args, imports.COLUMNS, imports.COLUMNS[2:], rows, imports.legend())


def _estimates(args: Namespace) -> int:
    from nhot.files import write_atomically
    from nhot_hw.bench import estimates

    if args.fit is not None:
        write_atomically(args.fit, estimates.to_json(estimates.fit()).encode())
    rows = estimates.committed()
    return _print(args, estimates.COLUMNS, estimates.COLUMNS[2:], rows, estimates.legend(rows))


def _judged(args: Namespace, formats: list[str]) -> dict[str, float]:
    """The accuracy on the data that the arguments name, by format; empty without data."""
    if args.data is None:
        return {}
    from nhot_hw.bench.networks.accuracy import accuracies

    return accuracies(args.models, args.data, formats)


def _print(args: Namespace, columns, numeric, rows, legend, **more) -> int:
    if args.json:
        print_json({"legend": legend, "rows": [row.to_dict() for row in rows], **more})
        return 0
    print_table(columns, [row.cells() for row in rows], numeric)
    for line in legend:
        logging.getLogger("nhot").info("%s", line)
    return 0


_WHAT = {
    "lanes": _lanes, "toggles": _toggles, "engines": _engines, "networks": _networks,
    "reference": _reference, "quantisation": _quantisation, "imports": _imports,
    "estimates": _estimates,
}

# What each option is for.
_OPTIONS = {
    "family": ("lanes", "engines"), "cells": ("lanes",), "markdown": ("lanes", "networks"),
    "fit": ("estimates",), "quick": ("lanes", "toggles", "reference", "quantisation"),
    **dict.fromkeys(
        ("networks", "config", "board", "fmax", "requant-terms", "simulate"), ("networks",),
    ),
    **dict.fromkeys(("models", "data"), ("networks", "imports")),
}
