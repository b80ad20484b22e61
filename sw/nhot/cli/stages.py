"""What is compared and evaluated: arguments that name a stage, and the way to it."""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nhot.cli.ports import add_port_arguments, load_image, open_board, place_of
from nhot.cli.training import original
from nhot.errors import NhotError

if TYPE_CHECKING:
    from nhot.network import Network
    from nhot.report.schema import Entry
    from nhot.stages import Stage

__all__ = ["add_stage_arguments", "is_image", "network_of", "open_stage", "stage_entry",
           "weights_hash"]

WHAT = ("a float model (of the catalogue, or file.py:function), a model of another tool "
        "(model.tflite, model.onnx, model.pt2), a network (net.onnx) or an image (net.img)")

_log = logging.getLogger("nhot")


def add_stage_arguments(parser: ArgumentParser) -> None:
    """Declare what float models, images and boards need to be opened."""
    group = parser.add_argument_group("float models")
    group.add_argument("--weights", type=Path, metavar="FILE.pt",
                       help="a state_dict, or a checkpoint of a training")
    group.add_argument("--option", action="append", default=[], metavar="NAME=VALUE",
                       help="an argument of the network's function, as classes=5; repeatable")
    group.add_argument("--seed", type=int, default=0, metavar="N",
                       help="of random weights, where there are no others (default: %(default)s)")
    group = parser.add_argument_group("images and boards")
    group.add_argument("--network", type=Path, metavar="NET.onnx",
                       help="the network of an image, which has no scales of its own")
    add_port_arguments(group, required=False)


def is_image(spec: str) -> bool:
    """Whether ``spec`` names a memory image, by its content, or else by its name."""
    return _kind(spec, ".img") == "image"


@contextmanager
def open_stage(
    args: Namespace, spec: str, *, port: bool = False, network: Path | None = None
) -> Iterator[Stage]:
    """The stage that ``spec`` names.

    Parameters
    ----------
    port : bool
        Whether an image is to run on the board of the arguments.
    network : path, optional
        Of an image, where the arguments name none.
    """
    from nhot.network.file import load
    from nhot.stages import NetworkStage

    kind = _kind(spec, ".img") or _kind(spec, ".onnx")
    if kind == "image":
        with _image_stage(args, spec, port, network) as stage:
            yield stage
    elif port:
        raise NhotError(f"--port must be given for an image, which a board runs, not for {spec!r}")
    elif kind == "network":
        yield NetworkStage(load(spec))
    else:
        yield _float_stage(args, spec)


def network_of(spec: str) -> Path | None:
    """The path of a network file, if ``spec`` is one."""
    return Path(spec) if _kind(spec, ".onnx") == "network" else None


def stage_entry(spec: str, stage: Stage) -> Entry:
    """What a report says of the network or the image of a stage; nothing of a float model."""
    from nhot.cli.reporting import image_entry, network_entry
    from nhot.report.schema import Entry
    from nhot.stages import ImageStage, NetworkStage

    if isinstance(stage, ImageStage):
        return image_entry(stage.image)
    if isinstance(stage, NetworkStage):
        return network_entry(stage.network, Path(spec))
    return Entry()


def weights_hash(args: Namespace, spec: str) -> str | None:
    """SHA-256 of the file that a float model's weights are from."""
    from nhot.filetype import is_foreign
    from nhot.report.collect import file_hash

    file = Path(spec) if is_foreign(spec) else args.weights
    return None if file is None else file_hash(file)


def _kind(spec: str, ending: str) -> str:
    """``image`` or ``network`` by content, or by the name's ending of what cannot be read."""
    from nhot.filetype import identify

    found = identify(spec)
    if found is None and spec.lower().endswith(ending):
        return {".img": "image", ".onnx": "network"}[ending]
    return found.kind if found is not None and found.kind in {"image", "network"} else ""


@contextmanager
def _image_stage(
    args: Namespace, spec: str, port: bool, network: Path | None
) -> Iterator[Stage]:
    from nhot.compiler import Image
    from nhot.network.file import load
    from nhot.stages import BoardStage, ImageStage

    path = args.network or network
    if path is None:
        raise NhotError(f"--network must be given with the image {spec!r}: an image has no scales, "
                        "the network that it was compiled from has them")
    image, integers = Image.read(spec), load(path)
    if not port:
        yield ImageStage(image, integers)
        return
    _check(integers, image)
    with open_board(args, image.config) as board:
        load_image(args, board, image)
        yield BoardStage(board, image, integers, place_of(args))


def _check(network: Network, image: object) -> None:
    """Find what is wrong with the files before a board is built or loaded."""
    from nhot.compiler import Image
    from nhot.stages import ImageStage

    assert isinstance(image, Image)
    ImageStage(image, network)


def _float_stage(args: Namespace, spec: str) -> Stage:
    return original(Namespace(model=spec, option=args.option, weights=args.weights,
                              seed=args.seed)).stage()
