"""The arguments of ``nhot quantize``, and which of them go together."""

from __future__ import annotations

from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Iterable
from pathlib import Path

from nhot.cli.output import OutputFile, add_json_argument
from nhot.cli.reporting import add_report_argument
from nhot.cli.training import (
    COMMON,
    add_data_arguments,
    add_model_arguments,
    add_training_arguments,
    original,
)
from nhot.errors import NhotError
from nhot.experiments.tasks import AUTOENCODER, DETECTOR, DIGITS

__all__ = ["DEFAULTS", "add_arguments", "check", "is_demonstration"]

DEFAULTS = {
    "epochs": 20, "lr": 2e-3, "batch": 64, "optimizer": "adam", "schedule": "one-cycle",
}
"""Of fine-tuning, each stage of it."""

RECIPES = ("one-stage", "two-stage", "progressive", "from-scratch")
TRAINING = ("recipe", "distill", "folder", *DEFAULTS, *COMMON)
POST_TRAINING = ("bias_correction", "adaptive_rounding")
MIXED = ("candidates", "measure", "engine")
SETTINGS = ("test", "size", "option", "weights", "loss", "layer", "per_layer", "scale", "rule",
            "threshold", "gradient_schedule", "bits", "activation_terms", "requant_terms",
            "accumulator_bits", "input_range", "samples", "budget", *MIXED, *POST_TRAINING,
            *TRAINING)
"""What the demonstration on digits does not take."""
DATA = ("test", "size", "samples", "budget", "inputs", "labels", "report",
        *POST_TRAINING, *TRAINING)
"""What needs data, which a model with ranges of its own can do without."""

REPORTED = ("model", "format", "seed", "finetune", *SETTINGS)
"""What a report says of how it was done, where it was given."""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_model_arguments(parser)
    add_data_arguments(parser)
    _add_rounding(parser)
    _add_mixed(parser)
    _add_post_training(parser)
    _add_finetuning(parser)
    group = parser.add_argument_group("output")
    group.add_argument("-o", "--output", action=OutputFile, required=True, metavar="FILE.onnx",
                       help="the network file")
    group.add_argument("--inputs", action=OutputFile, metavar="X.npy",
                       help="also write samples to measure with as integers, for nhot run --input")
    group.add_argument("--labels", action=OutputFile, metavar="Y.npy",
                       help="also write the classes of these samples, for nhot run --labels")
    add_report_argument(group)
    add_json_argument(parser)


def _add_rounding(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("rounding")
    group.add_argument("--format", default="2hot", metavar="FORMAT",
                       help="of the weights: 1hot, 2hot, 3hot, 2hot@6, 2hot/16, ternary, "
                       "binary, signed-binary, apot4, pot4, int8, ... (default: %(default)s)")
    group.add_argument("--layer", action="append", default=[], metavar="NAME=FORMAT",
                       help="another format in one layer; repeatable")
    group.add_argument("--per-layer", action="store_true", default=None,
                       help="one scale for each layer, not for each filter")
    group.add_argument("--scale", choices=["learned", "searched", "power-of-two"],
                       help="where the scale of weights comes from (default: learned)")
    group.add_argument("--rule", choices=["nearest", "twn", "least-squares"],
                       help="which level a ternary weight takes (default: nearest)")
    group.add_argument("--threshold", type=float, metavar="PART",
                       help="of the largest magnitude of a filter, below which signed-binary "
                       "weights are zero (default: 0.05)")
    group.add_argument("--gradient-schedule", action="store_true", default=None,
                       help="sharpen the gradient of binary and signed-binary weights over time")
    group.add_argument("--bits", type=int, metavar="N",
                       help="of activations, 2 to 8 (default: 8)")
    group.add_argument("--activation-terms", type=int, metavar="N",
                       help="signed powers of two, at most, of what a layer with weights reads")
    group.add_argument("--requant-terms", type=int, metavar="N",
                       help="signed powers of two, at most, of a multiplier that requantises: 1 (a "
                       "shift), 2 or 4; scales of weights and activations are chosen for it, and a "
                       "requantiser with as many shifters takes a value a cycle (default: 4)")
    group.add_argument("--accumulator-bits", type=int, metavar="N",
                       help="width that no sum of a filter may overflow")
    group.add_argument("--input-range", type=float, nargs=2, metavar=("LOW", "HIGH"),
                       help="what the ends of the integer input stand for (default: those that "
                       "the data set has, or else of the samples)")


def _add_mixed(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("a format for each layer")
    group.add_argument("--budget", metavar="COST=AMOUNT",
                       help="choose the formats of layers for the least harm at a cost: terms "
                       "(shifted additions), bits or cycles, as 1e6 or as 60%% of what --format "
                       "costs in all layers")
    group.add_argument("--candidates", metavar="FORMAT,...",
                       help="to choose from (default: 1hot,2hot,3hot)")
    group.add_argument("--measure", choices=["kl", "error", "hessian"],
                       help="of the harm that a layer does: divergence of the classes, error of "
                       "the output, or curvature of the loss, with labels (default: kl)")
    group.add_argument("--engine", type=Path, metavar="FILE.json",
                       help="sizes of an engine with serial lanes, for a budget of cycles")


def _add_post_training(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("without fine-tuning")
    group.add_argument("--samples", type=int, metavar="N",
                       help="that ranges are taken from (default: 512, of large images fewer)")
    group.add_argument("--bias-correction", action=BooleanOptionalAction,
                       help="fit ranges, and correct the mean of each channel (default: yes)")
    group.add_argument("--adaptive-rounding", action="store_true", default=None,
                       help="choose levels by what a layer computes; takes minutes")


def _add_finetuning(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("fine-tuning")
    group.add_argument("--finetune", action="store_true", help="train on after rounding")
    group.add_argument("--recipe", choices=RECIPES,
                       help="formats on the way to the last (default: two-stage; signed-binary "
                       "and binary weights need from-scratch, or many epochs)")
    group.add_argument("--distill", action="store_true", default=None,
                       help="learn from the float network's outputs, too")
    add_training_arguments(group, DEFAULTS)


def is_demonstration(args: Namespace) -> bool:
    """Whether it is the digits, with the network, the data and the training that belong to them."""
    return args.model == DIGITS and args.data is None


def check(args: Namespace) -> None:
    """Refuse arguments that do not fit together, before anything slow is imported."""
    if args.output.suffix != ".onnx":
        raise NhotError(f"Network file must end in .onnx, not {str(args.output)!r}")
    if is_demonstration(args):
        for name in _given(args, SETTINGS):
            raise NhotError(f"--data must be given with {name}; digits alone trains a network of "
                            "its own, and --data digits names its data")
        return
    given = original(args)
    given.check_kind()
    foreign = given.is_foreign
    if args.data is None and not foreign:
        raise NhotError(f"--data must be given for {args.model!r}: its activation ranges are "
                        "taken from samples")
    if args.data is None:
        for name in (*_given(args, DATA), *["--finetune"] * args.finetune):
            raise NhotError(f"--data must be given with {name}")
    for name in _given(args, () if args.finetune else TRAINING):
        raise NhotError(f"--finetune must be given with {name}, which is for training")
    for name in _given(args, POST_TRAINING if args.finetune else ()):
        raise NhotError(f"{name} must not be given with --finetune, which does more")
    if args.budget is None:
        for name in _given(args, MIXED):
            raise NhotError(f"--budget must be given with {name}, which is for choosing formats")
    elif args.layer:
        raise NhotError("--layer must not be given with --budget, which chooses all formats")
    others = args.model in {AUTOENCODER, DETECTOR} or args.loss == "mean-squares"
    if args.distill and others:
        raise NhotError("--distill must be for a network that tells classes, whose outputs it "
                        "compares")
    if args.recipe != "from-scratch":
        given.check_weights()


def _given(args: Namespace, names: Iterable[str]) -> Iterable[str]:
    """The options among ``names`` that the command line has."""
    given = (name for name in names if getattr(args, name) not in (None, []))
    return ("--run" if name == "folder" else f"--{name.replace('_', '-')}" for name in given)
