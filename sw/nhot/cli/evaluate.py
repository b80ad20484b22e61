"""``nhot evaluate``: how good a model is on data, at any stage of the road."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nhot.cli.output import add_json_argument, print_json, print_table
from nhot.cli.reporting import add, add_report_argument, check_report, made
from nhot.cli.stages import WHAT, add_stage_arguments, open_stage, stage_entry, weights_hash
from nhot.printable import printable, say

if TYPE_CHECKING:
    from nhot.experiments.evaluation import Evaluation
    from nhot.report.schema import Evaluated
    from nhot.stages import Stage

HELP = "measure a float model, a network, an image or a board on data of your own"

EXAMPLE = """\
examples:
  nhot evaluate net.onnx --data photographs
      accuracy and confusion matrix of a network, on its test split
  nhot evaluate resnet8 --weights float.pt --data cifar-10-batches-bin
      the same of a float network
  nhot evaluate model.tflite --data test.npz
      a model of another tool, quantised ones by that tool's own interpreter
  nhot evaluate net.img --network net.onnx --data test.npz --port virtual
      the same on a board
  nhot evaluate net.onnx --data ToyCar
      an autoencoder on the sounds of ToyADMOS: the area under the ROC curve
"""

TASK_HELP = ("classes (accuracy), anomalies (AUC, labels 0 and 1), numbers (squared differences) "
             "or objects (mAP); default: what the data are for")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = "%(prog)s FILE --data DATA [options]"
    parser.epilog = EXAMPLE
    parser.add_argument("file", metavar="FILE", help=WHAT)
    group = parser.add_argument_group("data")
    add_samples_arguments(group, "all")
    group.add_argument("--task", choices=["classes", "anomalies", "numbers", "objects"],
                       help=TASK_HELP)
    add_stage_arguments(parser)
    group = parser.add_argument_group("output")
    add_report_argument(group)
    add_json_argument(parser)


def add_samples_arguments(group: Any, default: str) -> None:
    """Declare ``--data``, ``--split``, ``--size`` and ``--samples``."""
    group.add_argument("--data", required=True, metavar="DATA",
                       help="folder of a data set as its publisher has it, an .npz file with "
                       "arrays x and y, an .npy file with x, or digits, those of scikit-learn")
    group.add_argument("--split", choices=["train", "validation", "test"],
                       help="(default: test, or else validation, or else the only one)")
    group.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"),
                       help="what photographs are brought to (default: that of the input)")
    group.add_argument("--samples", type=int, metavar="N",
                       help=f"so many, evenly spread (default: {default})")


def run(args: Namespace) -> int:
    """Measure, and print it."""
    check_report(args)
    with open_stage(args, args.file, port=args.port is not None) as stage:
        source, split = open_source(args, stage.size, args.task)
        from nhot.experiments.evaluation import evaluate

        found = evaluate(stage, source, split=split, task=args.task, most=args.samples)
        if args.report is not None:
            part = _part(args, stage, found)
            add(args, replace(stage_entry(args.file, stage), evaluated=(part,)))
        facts = _facts(args, stage, split, found)
    if args.json:
        print_json(facts)
    else:
        _print(facts, found)
    return 0


def open_source(
    args: Namespace, size: tuple[int, int] | None, task: str | None = None
) -> tuple[Any, str]:
    """The data that the arguments name, and the split of them that is measured with."""
    from nhot.experiments.tasks import Source

    wanted = size if args.size is None else (args.size[0], args.size[1])
    source = Source(args.data, wanted, outputs=task == "numbers")
    split: str = args.split or source.held_out(alone=True) or "train"
    source.splits.split(split)  # refuses one that is not there
    return source, split


def _facts(args: Namespace, stage: Stage, split: str, found: Evaluation) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "file": args.file, "stage": stage.kind, "data": args.data, "split": split,
        "samples": found.samples, "task": found.task, "metric": found.metric, "value": found.value,
        "figures": found.figures,
    }
    if found.labels is not None:
        facts |= {"classes": found.classes, "names": list(found.names),
                  "confusion": _matrix(found).tolist()}
    return facts


def _part(args: Namespace, stage: Stage, found: Evaluation) -> Evaluated:
    import numpy as np

    from nhot.cli.reporting import TRAINING
    from nhot.report.answers import answers_of
    from nhot.report.schema import Evaluated

    def sample(index: int) -> Any:
        values = np.asarray(found.inputs[index][0])
        return values.transpose(1, 2, 0) if values.ndim == 3 else values

    answers = None
    if found.labels is not None and found.answers is not None:
        answers = answers_of(found.labels, found.answers, found.classes, names=found.names,
                             sample=sample)
    bare = stage.network is None
    return Evaluated(
        stage=stage.kind, data=printable(args.data), metric=found.metric, value=found.value,
        samples=found.samples, figures=found.figures, answers=answers,
        made=made("evaluate", TRAINING if bare else ()),
        sha256=weights_hash(args, args.file) if bare else None,
    )


def _print(facts: dict[str, Any], found: Evaluation) -> None:
    rows = [(found.metric, _text(found.metric, found.value)),
            *((name, _text(name, value)) for name, value in found.figures.items())]
    say(f"{facts['stage']} on {facts['data']} ({facts['split']}, {found.samples:,} samples)")
    say()
    print_table(("metric", "value"), rows, ("value",))
    if found.labels is None:
        return
    from nhot.report.answers import MATRIX

    say()
    if found.classes <= MATRIX:
        _print_matrix(found)
    else:
        _print_confusions(found)


def _print_matrix(found: Evaluation) -> None:
    matrix, names = _matrix(found), _names(found)
    totals, taken = matrix.sum(axis=1), matrix.sum(axis=0)
    rows = [
        (names[label], *(int(one) or "" for one in matrix[label]),
         _share(matrix[label, label], totals[label]))
        for label in range(found.classes)
    ]
    last = ("precision", *(_share(matrix[one, one], taken[one]) for one in range(found.classes)),
            "")
    print_table(("it is \\ read as", *names, "recall"), [*rows, last], (*names, "recall"))


def _print_confusions(found: Evaluation) -> None:
    import numpy as np

    from nhot.report.answers import SHOWN

    matrix, names = _matrix(found), _names(found)
    np.fill_diagonal(matrix, 0)
    order = np.argsort(-matrix, axis=None, kind="stable")[:SHOWN]
    places = [np.unravel_index(place, matrix.shape) for place in order if matrix.flat[place]]
    print_table(("it is", "read as", "times"),
                [(names[label], names[answer], int(matrix[label, answer]))
                 for label, answer in places], ("times",))


def _matrix(found: Evaluation) -> Any:
    """How often each class (rows) was read as each (columns)."""
    import numpy as np

    assert found.labels is not None
    assert found.answers is not None
    matrix = np.zeros((found.classes, found.classes), np.int64)
    np.add.at(matrix, (found.labels, found.answers), 1)
    return matrix


def _names(found: Evaluation) -> list[str]:
    known = found.names if len(found.names) == found.classes else map(str, range(found.classes))
    return list(known)


def _share(part: int, total: int) -> str:
    return f"{part / total:.0%}" if total else ""


def _text(name: str, value: float) -> str:
    share = name in {"accuracy", "mAP", "top 5"} or name.startswith("AP")
    return f"{100 * value:.2f} %" if share else f"{value:.4g}"
