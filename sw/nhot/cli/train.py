"""``nhot train``: a float network gets its weights."""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from nhot.cli.output import OutputFile, add_json_argument, print_json
from nhot.cli.reporting import (
    TRAINING,
    add,
    add_report_argument,
    check_report,
    made,
    model_answers,
    scores,
)
from nhot.cli.training import (
    add_data_arguments,
    add_model_arguments,
    add_training_arguments,
    augmentation,
    named_task,
    original,
    settings,
)
from nhot.errors import NhotError
from nhot.printable import printable, say

if TYPE_CHECKING:
    from nhot.experiments.tasks import Task
    from nhot.experiments.training import History, Settings
    from nhot.report.schema import Entry

HELP = "train a float network, for nhot quantize to begin with"

EXAMPLE = """\
examples:
  nhot train digits --data digits --epochs 20 -o float.pt
      the built-in network, on the digits of scikit-learn
  nhot train resnet8 --data cifar-10-batches-bin --augment crop-flip --epochs 60 --lr 0.2 \\
      --run runs/resnet8 -o resnet8.pt
      a network of the catalogue; run it again after a stop, and it goes on
  nhot train model.py:build --data photographs --size 96 96 -o own.pt
      a module of your own, on a folder of images for each class
  torchrun --nproc-per-node 2 -m nhot train resnet20 --data cifar-10-batches-bin -o resnet20.pt
      two processes, which share every batch
"""

DEFAULTS = {
    "epochs": 20, "lr": 0.1, "batch": 128, "optimizer": "sgd", "schedule": "cosine",
    "precision": "fp32", "weight_decay": 1e-4,
}

_log = logging.getLogger("nhot")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = "%(prog)s MODEL --data DATA [options] -o FILE.pt"
    parser.epilog = EXAMPLE
    add_model_arguments(parser)
    add_data_arguments(parser)
    add_training_arguments(parser.add_argument_group("training"), DEFAULTS)
    group = parser.add_argument_group("output")
    group.add_argument("-o", "--output", action=OutputFile, required=True, metavar="FILE.pt",
                       help="the weights, as a state_dict of torch")
    add_report_argument(group)
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Train, and write the weights."""
    if args.data is None:
        raise NhotError("--data must name what to train on: a folder, an .npz file or digits")
    check_report(args)
    from nhot.experiments.training import fit
    from nhot.experiments.training.ranks import join
    from nhot.quant.weights_file import save_weights

    chosen, augment = settings(args, DEFAULTS), augmentation(args)
    model = original(args).module()
    task = named_task(args)
    data = task.data
    for part in (data, task.held_out):
        if part is not None:
            task.check(model, part)
    history = fit(
        model, data, chosen, loss=task.loss, augment=augment, evaluate=task.measure,
        run=args.folder, what=f"training {args.model}",
    )
    if not join().first:
        return 0
    save_weights(model, args.output)
    if args.report is not None:
        add(args, _entry(args, model, task, chosen, history))
    facts: dict[str, Any] = {
        "file": str(args.output), "model": args.model, "epochs": len(history.epochs),
        "training_loss": history.losses[-1], "seconds": history.seconds,
    }
    if history.metric is not None:
        facts[task.metric] = history.metric
    if args.json:
        print_json(facts)
        return 0
    say(args.output)
    _log.info("loss while training %.4g", history.losses[-1])
    if history.metric is not None:
        share = task.metric == "accuracy"
        score = f"{100 * history.metric:.2f} %" if share else f"{history.metric:.4g}"
        _log.info("%s %s", task.metric, score)
    return 0


def _entry(
    args: Namespace, model: Any, task: Task, chosen: Settings, history: History
) -> Entry:
    """What a report says of the training."""
    from nhot.report.collect import epochs, file_hash, settings
    from nhot.report.schema import Entry, Training

    last = {} if history.metric is None else {"float": history.metric}
    found = scores(last, task.held_out)
    return Entry(training=Training(
        model=printable(args.model), data=printable(args.data), metric=task.metric,
        sha256=file_hash(args.output), epochs=epochs(history.epochs),
        settings=settings({**vars(chosen), "augment": args.augment, "option": args.option}),
        score=found[0] if found else None, answers=model_answers(model, task),
        made=made("train", TRAINING),
    ))
