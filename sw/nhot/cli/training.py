"""What the commands that train share: their arguments, and what becomes of these."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, _ArgumentGroup
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nhot.cli.output import OutputFolder
from nhot.errors import NhotError
from nhot.experiments.tasks import AUTOENCODER, DETECTOR, Source, open_task

if TYPE_CHECKING:
    from nhot.experiments.tasks import Kind, Task
    from nhot.experiments.training import Augment, Settings
    from nhot.trials import Original

__all__ = [
    "add_data_arguments", "add_model_arguments", "add_training_arguments", "augmentation",
    "named_task", "original", "pairs", "settings",
]

CHOICES = {
    "optimizer": ("sgd", "adam", "adamw"), "schedule": ("one-cycle", "cosine", "constant"),
    "augment": ("none", "crop-flip", "jitter"), "device": ("auto", "cpu", "cuda"),
    "precision": ("fp32", "bf16"),
}
TEXTS = {
    "epochs": "passes over the data", "lr": "highest learning rate", "batch": "samples in a step",
    "optimizer": "of the steps", "schedule": "of the learning rate",
    "weight_decay": "of weights, not of biases and scales",
    "augment": "changes images at random: crop-flip shifts and mirrors them, jitter is for objects "
    "in photographs",
    "device": "auto is the GPU if there is one", "threads": "of the processor, 0 for all cores",
    "workers": "processes that read data which is not in memory",
    "precision": "bf16 multiplies in bfloat16",
}
KINDS: dict[str, Callable[[str], Any]] = {
    "epochs": int, "lr": float, "batch": int, "weight_decay": float, "threads": int, "workers": int,
}
COMMON: dict[str, Any] = {
    "weight_decay": 0.0, "augment": "none", "device": "auto", "threads": 1, "workers": 0,
}
"""Defaults that all commands share. Arguments themselves are None unless given."""

_NOT_SETTINGS = {"augment"}


def add_model_arguments(parser: ArgumentParser) -> None:
    """Declare MODEL, ``--option``, ``--weights``, ``--loss`` and ``--seed``."""
    from nhot.experiments.models.catalogue import NAMES

    parser.add_argument("model", metavar="MODEL",
                        help=f"{', '.join(NAMES)}; or a function that gives a torch module: "
                        "file.py:function; or a file of another tool: model.tflite, "
                        "model.onnx, model.pt2")
    group = parser.add_argument_group("model")
    group.add_argument("--option", action="append", default=[], metavar="NAME=VALUE",
                       help="an argument of the network's function, as classes=5; repeatable")
    group.add_argument("--weights", type=Path, metavar="FILE.pt",
                       help="a state_dict, or a checkpoint of a training, to begin with")
    group.add_argument("--loss", choices=["cross-entropy", "mean-squares"],
                       help="of a network that tells classes, or of one that gives numbers: the y "
                       "of an .npz file, or else its input (default: that of the network, or "
                       "else cross-entropy)")
    group.add_argument("--seed", type=int, default=0, metavar="N",
                       help="of all random numbers (default: %(default)s)")


def add_data_arguments(parser: ArgumentParser) -> _ArgumentGroup:
    """Declare ``--data``, ``--test`` and ``--size``."""
    group = parser.add_argument_group("data")
    group.add_argument("--data", metavar="DATA",
                       help="folder of a data set, as its publisher has it (CIFAR-10, a folder a "
                       "class, COCO, Speech Commands, ToyADMOS); an .npz file with arrays x and y "
                       "(with mean-squares, y are the outputs wanted), or an .npy file with x; "
                       "or digits, those of scikit-learn")
    group.add_argument("--test", metavar="DATA",
                       help="what to measure with (default: the test split of --data, or else its "
                       "validation split)")
    group.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"),
                       help="what photographs are brought to (default: as the catalogue has it)")
    return group


def add_training_arguments(group: _ArgumentGroup, defaults: Mapping[str, Any]) -> None:
    """Declare the settings of a training; ``defaults`` says which there are, and is told."""
    for name, default in {**defaults, **COMMON, **defaults}.items():
        group.add_argument(
            f"--{name.replace('_', '-')}", type=KINDS.get(name, str), choices=CHOICES.get(name),
            metavar=None if name in CHOICES else "N" if KINDS[name] is int else "X",
            help=f"{TEXTS[name]} (default: {default})",
        )
    group.add_argument("--run", dest="folder", action=OutputFolder, metavar="DIR",
                       help="folder for checkpoints and log, from which a training that was "
                       "stopped goes on")


def settings(args: Namespace, defaults: Mapping[str, Any], **more: Any) -> Settings:
    """The settings that ``args`` give, with ``defaults`` for the rest."""
    from nhot.experiments.models import NAMES
    from nhot.experiments.training import Settings

    values = {
        name: default if getattr(args, name) is None else getattr(args, name)
        for name, default in {**defaults, **COMMON, **defaults}.items() if name not in _NOT_SETTINGS
    }
    values["threads"] = values["threads"] or None
    # Modules of one's own may call view, which that order of memory does not allow.
    return Settings(seed=args.seed, channels_last=args.model in NAMES, **values, **more)


def augmentation(args: Namespace) -> Augment | None:
    """What ``--augment`` names."""
    if args.augment == "jitter":
        from nhot.experiments.tasks.detection import Jitter

        if args.model != DETECTOR:
            raise NhotError(f"Augmentation jitter must be for {DETECTOR}, not for {args.model!r}")
        return Jitter()
    from nhot.experiments.training import CropFlip

    if args.augment != "crop-flip":
        return None
    if args.model == DETECTOR:
        raise NhotError(f"Augmentation of {DETECTOR} must be jitter, which moves boxes, too, not "
                        "crop-flip")
    return CropFlip()


def original(args: Namespace) -> Original:
    """The model that the arguments name, before it is quantised."""
    from nhot.trials import Original

    return Original(
        model=args.model, options=pairs(args.option, "Option"), seed=args.seed,
        weights=None if args.weights is None else str(args.weights),
    )


def named_task(args: Namespace) -> Task:
    """The task of MODEL on ``--data``, measured on ``--test`` or on what that holds out."""
    from nhot.experiments.models import CATALOGUE

    size = None if args.size is None else (args.size[0], args.size[1])
    if size is None and args.model in CATALOGUE:
        size = CATALOGUE[args.model].input_shape[1:]
    kind: Kind = "classification"
    if args.model == DETECTOR:
        kind = "detection"
    elif args.loss == "mean-squares" or (args.loss is None and args.model == AUTOENCODER):
        kind = "reproduction"
    outputs = kind == "reproduction"
    other = None if args.test is None else Source(args.test, size, outputs=outputs)
    return open_task(kind, Source(args.data, size, outputs=outputs), other)


def pairs(texts: Sequence[str], what: str) -> dict[str, str]:
    """What NAME=VALUE say, by name."""
    for text in texts:
        if not all(text.partition("=")):
            raise NhotError(f"{what} must be NAME=VALUE, not {text!r}")
    return {text.partition("=")[0]: text.partition("=")[2] for text in texts}
