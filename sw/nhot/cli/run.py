"""``nhot run``: inferences on a board, with their cycle counts."""

from __future__ import annotations

import io
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
from nhot.cli.output import OutputFile, add_json_argument, print_json, print_table
from nhot.cli.ports import add_port_arguments, compare_image, load_image, open_board, place_of
from nhot.cli.reporting import (
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
    from nhot.device import Board, LayerTime
    from nhot.formats.format import Ints

HELP = "run a network on a board: outputs and cycle counts"

SHOWN = 16  # values of an output that are printed


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("image", type=Path, metavar="IMAGE",
                        help="memory image (.img), which is loaded first")
    parser.add_argument("--loaded", action="store_true",
                        help="the board has loaded it already, as from its flash: compare its "
                        "memories instead")
    add_port_arguments(parser)
    parser.add_argument("--input", type=Path, required=True, metavar="X.npy",
                        help="integers (batch, height, width, channels), or one sample")
    parser.add_argument("-o", "--output", action=OutputFile, metavar="Y.npy",
                        help="where to write the outputs, in the same order of axes")
    parser.add_argument("--limit", type=float, default=60.0, metavar="SECONDS",
                        help="break off a run that takes longer (default: %(default)s)")
    add_timeline_argument(parser)
    add_labels_argument(parser)
    add_report_argument(parser)
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Load the image, run every input, print what came out."""
    from nhot.compiler import Image
    from nhot.device.board import check_limit
    from nhot.report.schema import Run, Timed

    check_limit(args.limit)
    check_report(args)
    image = Image.read(args.image)
    inputs = read_inputs(args.input, image.meta.input.shape)
    labels = read_labels(args.labels, len(inputs), image)
    with open_board(args, image.config) as board:
        if args.loaded:
            compare_image(board, image)
        else:
            load_image(args, board, image)
        facts, times = _run(board, image, inputs, args.limit)
    layers = measured_layers(image, times)
    write_timeline(args.timeline, image, times, facts["cycles"][-1])
    outputs = facts["outputs"]
    if args.output is not None:
        write_outputs(args.output, outputs)
    if args.report is not None:
        run = Run(
            place=place_of(args),
            inputs=len(inputs), cycles=max(facts["cycles"]), stalls=max(facts["stalls"]),
            layers=tuple(Timed(name=one["name"], cycles=one["cycles"], stalls=one["stalls"])
                         for one in layers),
            answers=board_answers(image, inputs, outputs, labels), made=made("run", ["pyserial"]),
        )
        add(args, replace(image_entry(image), runs=(run,)))
    facts |= {"outputs": outputs.tolist(), "layers": layers}
    if args.json:
        print_json(facts)
    else:
        _print(facts)
    return 0


def read_inputs(path: Path, shape: tuple[int, ...]) -> Ints:
    """Integers (batch, height, width, channels) from a .npy file of one sample or many.

    An axis of length 1 may be missing: (batch, height, width) of one channel, or (batch, channels)
    of a vector. Values are checked by what takes them.
    """
    from nhot.arrays import read_npy
    from nhot.errors import NhotError
    from nhot.filetype import expect

    expect(path, "array")
    array = read_npy(path, "Input")
    bare = tuple(size for size in shape if size > 1)
    if array.shape == shape:
        return array[None]
    if array.ndim and len(array) and array.shape[1:] in {shape, shape[:2] * (shape[2] == 1), bare}:
        return array.reshape(len(array), *shape)
    raise NhotError(
        f"Input {path} must have shape {shape} or (batch, {', '.join(map(str, shape))}), "
        f"not {array.shape}"
    )


def write_outputs(path: Path, outputs: Ints) -> None:
    """Write an array as .npy, atomically."""
    import numpy as np

    from nhot.files import write_atomically

    buffer = io.BytesIO()
    np.save(buffer, outputs)
    write_atomically(path, buffer.getvalue())


def _run(
    board: Board, image: Image, inputs: Ints, limit: float
) -> tuple[dict[str, Any], list[LayerTime]]:
    import numpy as np

    from nhot.progress import track

    results = [board.run(x, limit=limit) for x in track(inputs, "running", unit="inputs")]
    return {
        "network": image.meta.network,
        "outputs": np.stack([result.outputs for result in results]),
        "cycles": [int(result.cycles) for result in results],
        "stalls": [int(result.stalls) for result in results],
    }, board.layer_cycles()


def _print(facts: dict[str, Any]) -> None:
    rows = [
        (index, cycles, stalls, _values(output))
        for index, (output, cycles, stalls) in enumerate(
            zip(facts["outputs"], facts["cycles"], facts["stalls"], strict=True)
        )
    ]
    print_table(("input", "cycles", "stalls", "output"), rows, ("input", "cycles", "stalls"))
    say()
    print_measured(facts["layers"])


def _values(output: list[list[list[int]]]) -> str:
    values = [value for row in output for position in row for value in position]
    more = " ..." if len(values) > SHOWN else ""
    return " ".join(map(str, values[:SHOWN])) + more
