"""The parts of a report, made from what commands have in their hands."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import nhot
from nhot.bitstream import Manifest
from nhot.compiler.targets import BOARDS, Target, target
from nhot.contract.config import EngineConfig
from nhot.network import Filters
from nhot.network import Network as IntegerNetwork
from nhot.network.counts import count_layer, requant_terms
from nhot.printable import printable
from nhot.report.schema import (
    Build,
    Epoch,
    Image,
    Layer,
    Levels,
    Made,
    Memory,
    Network,
)

__all__ = ["bitstreams", "build_part", "epochs", "file_hash", "image_part", "known_build", "made",
           "network_part", "settings"]


def made(command: str, packages: Iterable[str] = ()) -> Made:
    """That ``command`` made a part now, with the versions of nhot and of ``packages`` that are
    installed."""
    versions = {"nhot": nhot.__version__}
    for name in ("numpy", *packages):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return Made(command=command, date=date, versions=versions)


def file_hash(path: str | Path) -> str:
    """SHA-256 of a file. 64 hex digits"""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def settings(values: Mapping[str, Any]) -> dict[str, str | int | float]:
    """Settings as a report holds them; those that are not set are left out."""
    return {
        name: value if isinstance(value, int | float) and not isinstance(value, bool)
        else printable(str(value)) for name, value in values.items()
        if value is not None and value is not False and value not in ([], {}, "")
    }


def epochs(history: Iterable[Any]) -> tuple[Epoch, ...]:
    """Epochs of :class:`nhot.experiments.training.History`; what is not finite is left out."""
    return tuple(Epoch(epoch=one.epoch, loss=_finite(one.loss), metric=_finite(one.metric))
                 for one in history)


def network_part(network: IntegerNetwork, sha256: str) -> Network:
    """A network; ``sha256`` is of its file."""
    layers, levels = [], []
    for node in network.nodes:
        known: dict[str, Any] = {
            "name": node.name, "operator": type(node).__name__, "output": node.output.shape,
            "requant_terms": requant_terms(node) or 0,
        }
        if isinstance(node, Filters):
            counts = count_layer(node, *network.inputs(node))
            layers.append(Layer(**known, format=node.format.name, weights=counts.weights,
                                bits=counts.bits, terms=counts.terms, macs=counts.macs))
            levels.append(_levels(node))
        else:
            layers.append(Layer(**known))
    return Network(name=network.name, sha256=sha256, input=network.input.shape,
                   layers=tuple(layers), levels=tuple(levels))


def image_part(facts: Mapping[str, Any], config: EngineConfig, made: Made | None = None) -> Image:
    """An image for the engine of ``config``, from what :func:`nhot.cli.info.image_facts` gives;
    with the board if one comes with that engine."""
    place = _known_target(config)
    return Image(
        network=facts["name"], sha256=facts["hash"], format=facts["format"],
        target_id=facts["target_id"], cycles=facts["cycles"],
        layers=tuple((layer["name"], layer["cycles"]) for layer in facts["layers"]),
        memories=tuple(Memory(name=one["name"], words=one["words"], depth=one["depth"])
                       for one in facts["sections"]),
        board=place.board if place else "",
        configuration=place.configuration if place else "",
        clock_hz=place.clock_hz if place else None, made=made,
    )


def bitstreams() -> list[Manifest]:
    """The manifests of the bitstreams that come with the project; none where it is installed
    without them."""
    folder = Path(nhot.__file__).parents[2] / "bitstreams"
    return [Manifest.read(path) for path in sorted(folder.glob("*/*/manifest.json"))]


def known_build(config: EngineConfig, board: str | None = None) -> Build | None:
    """The bitstream of an engine, if it comes with the project: that for a board, or any."""
    found = (one for one in bitstreams()
             if one.config.target_id == config.target_id and board in {None, one.board})
    return next(map(build_part, found), None)


def build_part(manifest: Manifest) -> Build:
    """A bitstream, as its manifest has it."""
    clock = manifest.engine_clock
    return Build(
        board=manifest.board, configuration=manifest.configuration, part=manifest.part,
        target_id=f"{manifest.config.target_id:#010x}", sha256=manifest.sha256,
        fmax_mhz=clock.fmax_mhz, clock_mhz=clock.target_mhz, tools=manifest.tools,
        resources={name: (one.used, one.available) for name, one in manifest.resources.items()},
    )


def _levels(node: Filters) -> Levels:
    """How many weights lie on each level; signs that a format folds away are put back."""
    levels = np.union1d(node.format.levels, node.weights.reshape(-1))
    counts = np.bincount(np.searchsorted(levels, node.weights.reshape(-1)), minlength=len(levels))
    return Levels(layer=node.name, format=node.format.name, levels=tuple(levels.tolist()),
                  counts=tuple(counts.tolist()))


def _known_target(config: EngineConfig) -> Target | None:
    """The board and configuration of an engine, if a board comes with it.

    Of several the first that has a bitstream.
    """
    known = [target(board.name, name) for board in BOARDS.values()
             for name, (_, one) in board.configurations.items() if one == config]
    built = {(one.board, one.configuration) for one in bitstreams()}
    return min(known, default=None,
               key=lambda one: (one.board, one.configuration) not in built)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
