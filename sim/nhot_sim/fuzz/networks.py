"""Damaged network files: the graph, the manifest in it, and the digest made right again."""

from __future__ import annotations

import json
import random
from argparse import Namespace
from functools import cached_property
from typing import Any

from nhot.network import file
from nhot.network.samples import EVERY_OPERATOR, random_network
from nhot_sim.fuzz.kind import Kind, refused_or_done
from nhot_sim.fuzz.mutate import EXTREMES, damage, damage_json
from nhot_sim.fuzz.scratch import scratch_file

__all__ = ["Networks"]


class Networks(Kind):
    """Read as ``nhot info`` reads them; what is accepted can be written again."""

    @cached_property
    def _originals(self) -> list[bytes]:
        networks = [
            random_network(seed, layers=3, operators=EVERY_OPERATOR, argmax=seed == 1)
            for seed in range(4)
        ]
        return [file.to_bytes(network) for network in networks]

    def case(self, source: random.Random) -> bytes:
        """Damage to the bytes, to the metadata or to the graph."""
        import onnx

        data = source.choice(self._originals)
        if source.random() < 0.25:
            return damage(data, source)
        model = onnx.load_model_from_string(data)
        properties = {entry.key: entry for entry in model.metadata_props}
        if source.random() < 0.6:
            manifest = damage_json(properties["nhot.network"].value.encode(), source)
            properties["nhot.network"].value = manifest.decode(errors="replace")
        else:
            _damage_message(model.graph if source.random() < 0.9 else model, source)
        _seal(model, properties)
        return bytes(model.SerializeToString(deterministic=True))

    def check(self, data: bytes) -> bool:
        """``nhot info``, and the way back to a file."""
        from nhot.cli import info

        def act() -> None:
            info.run(Namespace(file=path, json=False))
            file.from_bytes(file.to_bytes(file.load(path)))

        with scratch_file(data, ".onnx") as path:
            return refused_or_done(act)


def _seal(model: Any, properties: dict[str, Any]) -> None:
    """Make the digest right where there still is one."""
    try:
        digest = file._digest(model.graph, properties["nhot.network"].value)
        properties["nhot.digest"].value = digest
    except (KeyError, ValueError, TypeError, AttributeError):
        return


def _damage_message(message: Any, source: random.Random) -> None:
    """Change one field somewhere below a protobuf message."""
    fields = message.ListFields()
    while fields:
        descriptor, value = source.choice(fields)
        many = descriptor.is_repeated
        if many and source.random() < 0.1:
            del value[source.randrange(len(value))]
            return
        if descriptor.message_type is None:
            _set(message, descriptor, value, many, source)
            return
        message = source.choice(list(value)) if many else value
        fields = message.ListFields()


def _set(message: Any, descriptor: Any, value: Any, many: bool, source: random.Random) -> None:
    place = source.randrange(len(value)) if many else 0
    old = value[place] if many else value
    if isinstance(old, bytes):
        new: Any = damage(old, source)
    elif isinstance(old, str):
        new = source.choice([text for text in EXTREMES if isinstance(text, str)])
        new = json.loads(json.dumps(new).replace("\\ud800", "?"))
    else:
        new = source.choice([number for number in EXTREMES if type(number) is int] + [old + 1])
    try:
        if many:
            value[place] = new
        else:
            setattr(message, descriptor.name, new)
    except ValueError:  # beyond the field's width
        message.ClearField(descriptor.name)
