"""``nhot quantize``: a float model becomes a network of n-hot or signed-binary integers."""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nhot.cli.output import add_json_argument, print_json
from nhot.errors import NhotError

if TYPE_CHECKING:
    from nhot.data.dataset import Floats
    from nhot.formats import Format
    from nhot.formats.format import Ints
    from nhot.network import Network

HELP = "round a float model to n-hot or signed-binary weights, and fine-tune it"

EXAMPLE = """\
examples:
  nhot quantize digits -o net.onnx
      train the built-in network on the digits of scikit-learn, then quantise and fine-tune it
  nhot quantize model.py:build --data train.npz --finetune --test test.npz -o net.onnx
      the same for a model of your own: build() gives a trained torch module, train.npz has the
      arrays x (samples, channels, height, width) and y (samples,)
"""

_log = logging.getLogger("nhot")


class Outcome(NamedTuple):
    """A network, the part of the samples it gets right by stage, and samples to try it with."""

    network: Network
    accuracies: dict[str, float]
    samples: Floats


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EXAMPLE
    parser.add_argument("model", metavar="MODEL",
                        help="digits, or a function that gives a torch module: file.py:function")
    parser.add_argument("--format", default="2hot", metavar="FORMAT",
                        help="of the weights: 1hot, 2hot, 3hot, ternary, signed-binary, int8, ... "
                        "(default: %(default)s)")
    parser.add_argument("--data", type=Path, metavar="FILE.npz",
                        help="samples x that ranges are taken from, labels y to fine-tune with")
    parser.add_argument("--test", type=Path, metavar="FILE.npz",
                        help="samples x with labels y that accuracies are measured on")
    parser.add_argument("--finetune", action="store_true", help="train on after rounding")
    parser.add_argument("--epochs", type=int, default=20, metavar="N",
                        help="of each stage of fine-tuning (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N",
                        help="of all random numbers (default: %(default)s)")
    parser.add_argument("--bits", type=int, default=8, metavar="N",
                        help="of activations, 2 to 8 (default: %(default)s)")
    parser.add_argument("--input-range", type=float, nargs=2, metavar=("LOW", "HIGH"),
                        help="what the ends of the integer input stand for (default: as in --data)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.onnx",
                        help="the network file")
    parser.add_argument("--inputs", type=Path, metavar="X.npy",
                        help="also write the test samples as integers, for nhot run --input")
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Quantise, and write the network."""
    _check(args)
    from nhot.files import check_folders
    from nhot.formats import parse

    check_folders(args.output, args.inputs)
    chosen = parse(args.format)
    outcome = _digits(args, chosen) if args.model == "digits" else _own(args, chosen)
    _write(args, outcome)
    if args.json:
        print_json({"file": str(args.output), "network": outcome.network.name,
                    "format": chosen.name, "accuracy": outcome.accuracies})
        return 0
    print(args.output)
    for stage, share in outcome.accuracies.items():
        _log.info("accuracy %-10s %.2f %%", stage, 100 * share)
    return 0


def _check(args: Namespace) -> None:
    """Refuse arguments that do not fit together, before anything slow is imported."""
    if args.output.suffix != ".onnx":
        raise NhotError(f"Network file must end in .onnx, not {str(args.output)!r}")
    if args.model == "digits":
        own = [("--data", args.data), ("--test", args.test), ("--input-range", args.input_range)]
        for name, value in own:
            if value is not None:
                raise NhotError(f"{name} is for a model of your own; digits brings its data along")
    elif args.data is None:
        raise NhotError(f"--data must be given for {args.model!r}: its activation ranges are "
                        "taken from samples")


def _digits(args: Namespace, chosen: Format) -> Outcome:
    from nhot.data import load_digits
    from nhot.quant import train_digits

    trained = train_digits(chosen, seed=args.seed)
    return Outcome(trained.network, trained.accuracies, load_digits().test_x)


def _own(args: Namespace, chosen: Format) -> Outcome:
    from nhot.quant import accuracy, finetune, load_data, load_model, quantize, to_network

    x, y = load_data(args.data)
    test_x, test_y = (x, None) if args.test is None else load_data(args.test)
    if args.finetune and y is None:
        raise NhotError(f"Data {args.data} must have labels y to fine-tune with")
    model = load_model(args.model)
    limits = None if args.input_range is None else tuple(args.input_range)
    quantized = quantize(model, chosen, x, bits=args.bits, input_range=limits)
    accuracies = {}

    def measure(stage: str, what: object, labels: Ints | None = test_y) -> None:
        if labels is not None:
            accuracies[stage] = accuracy(what, test_x, labels)  # type: ignore[arg-type]

    measure("float", model)
    measure("rounded", quantized)
    if args.finetune and y is not None:
        finetune(quantized, x, y, epochs=args.epochs, seed=args.seed)
        measure("finetuned", quantized)
    name = f"{args.model.rpartition(':')[2]}-{chosen.name}"
    return Outcome(to_network(quantized, name), accuracies, test_x)


def _write(args: Namespace, outcome: Outcome) -> None:
    from nhot.cli.run import write_outputs
    from nhot.data import to_integers
    from nhot.network.file import save

    if args.inputs is not None:
        write_outputs(args.inputs, to_integers(outcome.network.input, outcome.samples))
    save(outcome.network, args.output)
