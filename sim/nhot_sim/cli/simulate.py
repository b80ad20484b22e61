"""``nhot simulate``: run an image on the gateware, in a simulator."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nhot.cli.layers import (
    add_timeline_argument,
    measured_layers,
    print_measured,
    write_timeline,
)
from nhot.cli.output import OutputFile, add_json_argument, print_json
from nhot.cli.reporting import (
    SIMULATION,
    add,
    add_labels_argument,
    add_report_argument,
    board_answers,
    check_report,
    image_entry,
    made,
    read_labels,
)
from nhot.printable import say

if TYPE_CHECKING:
    from nhot.compiler import Image
    from nhot.device import LayerTime
    from nhot.formats.format import Ints

HELP = "run an image on the gateware in a simulator, with waveforms if you like"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="memory image (.img)")
    parser.add_argument("--input", type=Path, required=True, metavar="X.npy",
                        help="integers (batch, height, width, channels), or one sample")
    parser.add_argument("--engine", choices=["verilator", "amaranth"], default="verilator",
                        help="verilator: a virtual board with its serial port, fast once it is "
                        "built; amaranth: slow, nothing to build (default: %(default)s)")
    parser.add_argument("--trace", action=OutputFile, metavar="FILE",
                        help="waveforms: .fst or .vcd (verilator), .vcd (amaranth)")
    add_timeline_argument(parser)
    parser.add_argument("-o", "--output", action=OutputFile, metavar="Y.npy",
                        help="where to write the outputs")
    add_labels_argument(parser)
    add_report_argument(parser)
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Run every input and print outputs and cycles."""
    from nhot.cli.run import read_inputs, write_outputs
    from nhot.compiler import Image
    from nhot.report.schema import Run, Timed

    check_report(args)
    _check_trace(args.trace, args.engine)
    image = Image.read(args.image)
    inputs = read_inputs(args.input, image.meta.input.shape)
    labels = read_labels(args.labels, len(inputs), image)
    simulate = _in_verilator if args.engine == "verilator" else _in_amaranth
    facts, times = simulate(image, inputs, args.trace)
    layers = measured_layers(image, times)
    write_timeline(args.timeline, image, times, facts["cycles"])
    if args.output is not None:
        write_outputs(args.output, facts["outputs"])
    if args.report is not None:
        run = Run(
            place=f"{args.engine} simulation", inputs=len(inputs), cycles=facts["cycles"],
            stalls=facts["stalls"], answers=board_answers(image, inputs, facts["outputs"], labels),
            layers=tuple(Timed(name=one["name"], cycles=one["cycles"], stalls=one["stalls"])
                         for one in layers),
            made=made("simulate", SIMULATION),
        )
        add(args, replace(image_entry(image), runs=(run,)))
    facts["outputs"] = facts["outputs"].tolist()
    if args.json:
        print_json({**facts, "layers": layers})
    else:
        print_measured(layers)
        say(f"{len(inputs)} inputs, {facts['cycles']:,} cycles each, "
              f"{facts['stalls']:,} of them stalls")
        for index, output in enumerate(facts["outputs"][:8]):
            say(f"output {index}: {output}")
    return 0


def _check_trace(trace: Path | None, engine: str) -> None:
    """Refuse waveforms that the engine cannot write, before it runs."""
    from nhot.errors import NhotError
    from nhot_sim.virtual_board import trace_kind

    if engine == "verilator":
        trace_kind(trace)
    elif trace is not None and trace.suffix != ".vcd":
        raise NhotError(
            f"Trace file of --engine amaranth must end in .vcd, which is all it writes, "
            f"not {str(trace)!r}"
        )


def _in_verilator(
    image: Image, inputs: Ints, trace: Path | None
) -> tuple[dict[str, Any], list[LayerTime]]:
    import numpy as np

    from nhot.device import Board
    from nhot.progress import track
    from nhot_sim.virtual_board import VirtualBoard

    with VirtualBoard(image.config, trace=trace) as virtual, Board(virtual.transport()) as board:
        board.load(image)
        results = [board.run(x) for x in track(inputs, "simulating", unit="inputs")]
        times = board.layer_cycles()
    return {
        "outputs": np.stack([result.outputs for result in results]),
        "cycles": int(results[-1].cycles), "stalls": int(results[-1].stalls),
    }, times


def _in_amaranth(
    image: Image, inputs: Ints, trace: Path | None
) -> tuple[dict[str, Any], list[LayerTime]]:
    import numpy as np

    from nhot_sim.engine_simulation import EngineSimulation

    simulation = EngineSimulation(image)
    results = simulation.run(list(inputs), trace=None if trace is None else str(trace))
    return {
        "outputs": np.stack([result[image.meta.output.name] for result in results]),
        "cycles": simulation.cycles, "stalls": simulation.stalls,
    }, simulation.layer_times()
