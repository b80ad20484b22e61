"""``nhot core``: a core as a product, with bench, model and package."""

import logging
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nhot.cli.output import NewFolder, add_json_argument, print_json
from nhot.cli.target import add_target_arguments, engine_config
from nhot.errors import NhotError
from nhot.printable import say
from nhot_hw.cli.target import ignore_unused

if TYPE_CHECKING:
    from nhot_hw.core import Product
    from nhot_hw.lanes import LaneSpec

_log = logging.getLogger("nhot.core")
HELP = "write a core for a design of your own: Verilog, bench, model, package"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--format", metavar="F",
                        help="weights: 2hot, 3hot@6, 2hot+, ternary, binary, signed-binary, "
                        "signed-binary/16, int8, ...")
    parser.add_argument("--inputs", type=int, default=8, metavar="S",
                        help="products a step (default: 8)")
    array = parser.add_argument_group("an array with its weight memory, in place of one lane")
    array.add_argument("--lanes", type=int, metavar="P", help="filters side by side")
    array.add_argument("--pixels", type=int, metavar="T", help="pixels side by side (default: 1)")
    array.add_argument("--words", type=int, metavar="N",
                       help="words of the memory, the weights of a step each (default: 512)")
    engine = parser.add_argument_group(
        "a whole engine, whose host talks to it in streams of bytes, in place of one lane"
    )
    engine.add_argument("--engine", action="store_true",
                        help="that of --board or --config, without the board")
    add_target_arguments(engine)
    engine.add_argument("--bus", choices=["axi", "wishbone"],
                        help="put it on AXI4-Lite and AXI4-Stream, or on Wishbone B4, with a "
                        "driver in C, in place of the streams of bytes")
    engine.add_argument("--input-buffer", type=int, default=1, metavar="WORDS",
                        help="with --bus: words of 32 bits that wait while a program runs; as many "
                        "as an input has, and the next one can come meanwhile (default: 1)")
    parser.add_argument("--style", choices=["parallel", "chain", "serial", "rows"],
                        default="parallel",
                        help="all terms of a weight in one cycle, in a tree or in chains, or one a "
                        "cycle (n-hot only); uniform weights in rows of adder cells")
    parser.add_argument("--activation-bits", type=int, default=8, metavar="B",
                        help="bits of an activation (default: 8)")
    parser.add_argument("--unsigned", action="store_true", help="activations are not negative")
    width = parser.add_mutually_exclusive_group()
    width.add_argument("--accumulator-bits", type=int, default=24, metavar="A",
                       help="bits of the sum (default: 24)")
    width.add_argument("--weights", type=Path, metavar="FILE",
                       help="as few bits as are proved to hold the sums of these weights: a "
                       "network (.onnx) or integers, filters first (.npy)")
    parser.add_argument("--bias", action="store_true",
                        help="a port for what each sum begins at")
    parser.add_argument("--family", choices=["portable", "ecp5"], default="portable",
                        help="plain Verilog, or with the carry cells of the ECP5")
    parser.add_argument("--name", metavar="NAME", help="of the module (default: after the format)")
    parser.add_argument("--measure", action="store_true",
                        help="put into the README what it takes of an ECP5, an iCE40 and a Gowin "
                        "FPGA (minutes)")
    parser.add_argument("--prove", action="store_true",
                        help="first prove that its lanes add up x * w, with Yosys and z3; nothing "
                        "is written if that fails")
    parser.add_argument("--limit", type=int, metavar="SECONDS",
                        help="with --prove: give up a proof after that long (default: never)")
    parser.add_argument("-o", "--output", action=NewFolder, required=True, metavar="DIR",
                        help="a new folder for the files")
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Write the folder, and print the names of its files."""
    from nhot.files import write_folder

    ignore_unused()
    product = _product(args)
    if args.prove:
        _prove(product, args.limit)
    elif args.limit is not None:
        raise NhotError("--limit is for nhot core --prove")
    paths = write_folder(args.output, product.files(**_measured(product, args)))
    if args.json:
        print_json({"name": product.name, "files": [str(path) for path in paths]})
        return 0
    for path in paths:
        say(path)
    return 0


def _prove(product: "Product", limit: int | None) -> None:
    """Prove the lane of the product, for its family."""
    from nhot_hw.cli.prove import FOLDER
    from nhot_hw.core import ArrayProduct, LaneProduct
    from nhot_hw.formal import prove_all, require
    from nhot_hw.formal.proofs import lane_proofs
    from nhot_hw.lanes import for_config
    from nhot_hw.lanes.ccu2c import SIMULATED

    is_lanes = isinstance(product, ArrayProduct | LaneProduct)
    spec = product.spec if is_lanes else for_config(product.config)
    platform = SIMULATED if product.family == "ecp5" else None
    verdicts = prove_all(lane_proofs(spec, product.name, platform=platform), FOLDER, limit=limit)
    require(verdicts)
    for verdict in verdicts:
        _log.info("proved: %s (%s)", verdict.proof.claim, verdict.proof.how)
    if spec.style == "chain" and spec.inputs > 1:
        _log.warning("not proved: the sum of %d inputs of a chain; its bench tests it", spec.inputs)


def _product(args: Namespace) -> "Product":
    from nhot_hw.core import ArrayProduct, BusProduct, EngineProduct, LaneProduct

    if args.engine:
        _refuse(args, _OF_LANES, "not for --engine")
        common = {"name": args.name, "family": args.family}
        if args.bus:
            config = engine_config(args)
            return BusProduct(config, args.bus, buffer=args.input_buffer, **common)
        _refuse(args, ("input_buffer",), "for --bus")
        return EngineProduct(engine_config(args), **common)
    _refuse(args, _OF_ENGINES, "for --engine")
    if args.format is None:
        raise NhotError("--format or --engine must be given")
    spec, proved = _spec(args)
    common = {"name": args.name, "family": args.family, "proved": proved}
    sizes = {"filters": args.lanes, "pixels": args.pixels, "words": args.words}
    given = {size: value for size, value in sizes.items() if value is not None}
    if not given:
        return LaneProduct(spec, **common)
    return ArrayProduct(spec, **{"filters": 1, "pixels": 1, "words": 512} | given, **common)


def _spec(args: Namespace) -> tuple["LaneSpec", str]:
    """The lane, and what its accumulator was proved for."""
    from dataclasses import replace

    from nhot.formats import parse
    from nhot_hw.core.widths import proved_bits
    from nhot_hw.lanes import LaneSpec

    spec = LaneSpec(
        format=parse(args.format), inputs=args.inputs, style=args.style, bias=args.bias,
        activation_bits=args.activation_bits, activation_signed=not args.unsigned,
        accumulator_bits=args.accumulator_bits,
    )
    if args.weights is None:
        return spec, ""
    bits, filters = proved_bits(args.weights, spec)
    proved = (
        f"so do those of the {filters:,} filters of {args.weights.name}, whatever the activations."
    )
    return replace(spec, accumulator_bits=bits), proved


def _measured(product: "Product", args: Namespace) -> dict[str, object]:
    """For the README: what the core takes, if that was asked for."""
    if not args.measure:
        return {}
    from nhot_hw.bench.module import GOWIN, legend, measure_module

    families = ("ecp5",) if args.family == "ecp5" else ("ecp5", "ice40", GOWIN)
    costs = measure_module(product.verilog, product.name, product.ports, families)
    return {"measured": costs, "measured_with": legend()}


def _refuse(args: Namespace, names: Sequence[str], reason: str) -> None:
    parser = ArgumentParser()
    add_arguments(parser)
    for name in names:
        if getattr(args, name) != parser.get_default(name):
            raise NhotError(f"--{name.replace('_', '-')} is {reason}")


_OF_ENGINES = ("board", "configuration", "config", "bus", "input_buffer")
_OF_LANES = (
    "measure", "format", "inputs", "lanes", "pixels", "words", "style", "activation_bits",
    "unsigned", "accumulator_bits", "weights", "bias",
)
