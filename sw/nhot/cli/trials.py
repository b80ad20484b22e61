"""The arguments that say what a trial is of: a model of one's own, and data."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, _ArgumentGroup
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nhot.cli.training import pairs

if TYPE_CHECKING:
    from nhot.trials import DataSpec, Original

__all__ = ["MODEL_HELP", "add_trial_arguments", "trial"]

MODEL_HELP = ("what nhot quantize takes: a network of the catalogue, file.py:function, "
              "model.tflite, model.onnx or model.pt2")


def add_trial_arguments(group: ArgumentParser | _ArgumentGroup) -> None:
    """Declare what goes with ``--model`` and ``--data``."""
    group.add_argument("--weights", type=Path, metavar="FILE.pt",
                       help="a state_dict, or a checkpoint of a training")
    group.add_argument("--option", action="append", default=[], metavar="NAME=VALUE",
                       help="an argument of the network's function, as classes=5; repeatable")
    group.add_argument("--test", metavar="DATA",
                       help="what to measure with (default: what --data holds out, or else all)")
    group.add_argument("--task", choices=["classes", "anomalies", "numbers", "objects"],
                       help="as of nhot evaluate (default: what the data are for)")
    group.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"),
                       help="what photographs are brought to (default: that of the input)")
    group.add_argument("--samples", type=int, metavar="N",
                       help="that ranges are taken from (default: 512, of large images fewer)")
    group.add_argument("--measured", type=int, metavar="N",
                       help="measure with so many, evenly spread (default: all)")


def trial(args: Namespace, place: Callable[[str], str] = str) -> tuple[Original, DataSpec]:
    """The model, which is checked as far as its file says what it is, and the data.

    Parameters
    ----------
    place : callable
        What is kept of a path.

    Raises
    ------
    NhotError
        The model is none, or has no weights.
    """
    from nhot.trials import DataSpec, Original

    original = Original(
        model=place(args.model), options=pairs(args.option, "Option"),
        weights=None if args.weights is None else place(str(args.weights)),
    )
    data = DataSpec(
        data=place(args.data), test=None if args.test is None else place(args.test),
        size=None if args.size is None else (args.size[0], args.size[1]), task=args.task,
        samples=args.samples, measured=args.measured,
    )
    original.check_kind()
    original.check_weights()
    return original, data
