"""``nhot export``: a network in a file of another tool."""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path

from nhot.cli.output import OutputFile, add_json_argument, print_json
from nhot.errors import NhotError
from nhot.printable import say

HELP = "write a network as standard ONNX, or as an int8 model of TensorFlow Lite"

EXAMPLE = """\
examples:
  nhot export net.onnx -o qdq.onnx
      for onnxruntime, Netron, TVM, OpenVINO: QuantizeLinear and DequantizeLinear around every
      tensor; --batch 1 fixes the number of samples
  nhot export net.onnx -o net.tflite
      for TensorFlow Lite, and for microcontrollers
  nhot compare net.onnx net.tflite --data DATA
      what its kernels round otherwise, layer by layer
"""

KINDS = (".onnx", ".tflite")

_log = logging.getLogger("nhot")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EXAMPLE
    parser.add_argument("network", type=Path, metavar="NETWORK",
                        help="network (.onnx) that nhot quantize wrote")
    parser.add_argument("-o", "--output", action=OutputFile, required=True, metavar="FILE",
                        help="what to write: by its ending ONNX (.onnx) or TensorFlow Lite "
                        "(.tflite)")
    parser.add_argument("--batch", type=int, metavar="N",
                        help="a fixed number of samples, of ONNX (default: any; .tflite has one)")
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Read the network, write the file."""
    ending = args.output.suffix.lower()
    if ending not in KINDS:
        raise NhotError(f"File must end in {' or '.join(KINDS)}, not {str(args.output)!r}")
    if args.batch is not None and ending != ".onnx":
        raise NhotError("--batch must be for ONNX: a model of TensorFlow Lite has a batch of one")
    if args.output.exists() and args.output.samefile(args.network):
        raise NhotError(f"File must be another one than the network, not {str(args.output)!r}")
    from nhot.files import write_atomically
    from nhot.network.file import OPTION, load

    network = load(args.network)
    if ending == ".onnx":
        from nhot.export import to_onnx

        data = to_onnx(network, batch=args.batch)
    else:
        from nhot.export import to_tflite

        data = to_tflite(network).data
    write_atomically(args.output, data)
    if args.json:
        print_json({"file": str(args.output), "network": network.name, "bytes": len(data)})
        return 0
    say(args.output)
    if ending == ".onnx":
        _log.info("in onnxruntime, set %s to %s: exact sums on every processor", *OPTION)
    return 0
