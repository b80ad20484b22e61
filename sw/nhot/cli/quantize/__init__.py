"""``nhot quantize``: a float model becomes a network of n-hot or signed-binary integers."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from nhot.cli.output import print_json, print_table
from nhot.cli.quantize import arguments
from nhot.cli.reporting import add
from nhot.printable import say

if TYPE_CHECKING:
    from nhot.cli.quantize.work import Outcome

HELP = "round a float model to n-hot or signed-binary weights, and fine-tune it"

EXAMPLE = """\
examples:
  nhot quantize digits -o net.onnx
      train the built-in network on the digits of scikit-learn, then quantise and fine-tune it
  nhot quantize resnet8 --weights float.pt --data cifar-10-batches-bin -o net.onnx
      a network that nhot train has trained, without training: ranges and biases from 512 samples
  nhot quantize resnet8 --weights float.pt --data cifar-10-batches-bin --finetune --epochs 10 \\
      --augment crop-flip --run runs/2hot -o net.onnx
      the same with fine-tuning, in two stages; run it again after a stop, and it goes on
  nhot quantize model.py:build --data train.npz --test test.npz --finetune -o net.onnx
      a model of your own: build() gives a trained torch module, an npz file has the arrays x
      (samples, channels, height, width) and y (samples,)
  nhot quantize model.tflite --format int8 -o net.onnx
  nhot quantize model.onnx --format int8 -o net.onnx
      a quantised model of another tool, with the ranges that it has; with --data, other formats
      get their biases corrected, and models in float their ranges
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = "%(prog)s MODEL [--data DATA] [options] -o FILE.onnx"
    parser.epilog = EXAMPLE
    arguments.add_arguments(parser)


def run(args: Namespace) -> int:
    """Quantise, and write the network."""
    from nhot.report import check_report

    arguments.check(args)
    check_report(args.report)
    from nhot.cli.quantize import work

    if arguments.is_demonstration(args):
        outcome = work.demonstration(args)
    else:
        outcome = work.as_it_is(args) if args.data is None else work.own(args)
    if not outcome.first:
        return 0
    work.write(args, outcome)
    if args.report is not None:
        add(args, work.entry(args, outcome))
    facts = work.layers(outcome.network)
    if args.json:
        print_json(_json(args, outcome, facts))
    else:
        say(args.output)
        _print(outcome, facts)
    return 0


def _json(args: Namespace, outcome: Outcome, facts: list[dict[str, Any]]) -> dict[str, Any]:
    *layers, total = facts
    return {"file": str(args.output), "network": outcome.network.name, "format": args.format,
            outcome.metric: outcome.scores, "layers": layers, "total": total}


def _print(outcome: Outcome, facts: list[dict[str, Any]]) -> None:
    if outcome.scores:
        share = outcome.metric == "accuracy"
        rows = [
            (stage, f"{100 * score:.2f} %" if share else f"{score:.4g}")
            for stage, score in outcome.scores.items()
        ]
        say()
        print_table(("stage", outcome.metric), rows, (outcome.metric,))
    say()
    heads = ("layer", "format", "weights", "bits", "density", "terms", "MACs", "additions")
    lines = [
        (one["layer"], one["format"], one["weights"], _mean(one, "bits"), _mean(one, "effectual"),
         _mean(one, "terms"), one["macs"], one["mean_shift_adds"]) for one in facts
    ]
    print_table(heads, lines, heads[2:])


def _mean(facts: dict[str, Any], what: str) -> str:
    """``what`` of a weight, on average."""
    return f"{facts[what] / facts['weights']:.2f}"
