"""Damaged models of other tools: TensorFlow Lite, ONNX and torch.export."""

from __future__ import annotations

import random
import struct
import zlib
from argparse import Namespace
from functools import cached_property
from pathlib import Path

import numpy as np

from nhot.testing.foreign import onnx_models, tflite_models
from nhot_sim.fuzz.kind import Kind, refused_or_done
from nhot_sim.fuzz.mutate import damage, damage_json
from nhot_sim.fuzz.scratch import scratch_file

__all__ = ["Models"]

_WORDS = (0, 1, 2, 3, 4, 7, 8, 9, 17, 127, 255, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_SHORT = 1 << 18  # multiply-accumulates of a model that is made a network of
_PART = 16  # of those, one in so many: that takes a hundred times as long


class Models(Kind):
    """Read as ``nhot info`` reads them; what is accepted can become a network, and run."""

    @cached_property
    def _originals(self) -> list[bytes]:
        from nhot.testing.exported import exported_models

        return [*tflite_models(), *onnx_models(), *exported_models()]

    def prepare(self) -> None:
        """Torch, which takes more memory than a case may."""
        import nhot.quant  # noqa: F401

    def case(self, source: random.Random) -> bytes:
        """Damage to the bytes, or another number where one may be: they lie at multiples of four.

        An archive is mostly damaged inside, or its checksums would notice all of it.
        """
        data = bytearray(source.choice(self._originals))
        if data.startswith(b"PK") and source.random() < 0.95:
            return _damage_inside(bytes(data), source)
        if source.random() < 0.3:
            return damage(bytes(data), source)
        for _ in range(source.choice([1, 1, 2, 3])):
            at = 4 * source.randrange(len(data) // 4)
            (word,) = struct.unpack_from("<I", data, at)
            near = (word + source.choice([-4, -1, 1, 4])) % 2**32
            struct.pack_into("<I", data, at, source.choice([near, near, source.choice(_WORDS)]))
        return bytes(data)

    def check(self, data: bytes) -> bool:
        """``nhot info``, and now and then all the way to outputs."""
        from nhot.cli import info

        def act() -> None:
            info.run(Namespace(file=path, json=False))
            if zlib.crc32(data) % _PART == 0:
                _run(path)

        with scratch_file(data, ".model") as path:
            return refused_or_done(act)


def _damage_inside(data: bytes, source: random.Random) -> bytes:
    """The archive with a member damaged, mostly one of its texts."""

    def change(members: dict[str, bytes]) -> None:
        texts = [name for name in members if name.endswith(".json")]
        name = source.choice(texts if source.random() < 0.7 else [*members])
        members[name] = (damage_json if name in texts else damage)(members[name], source)

    from nhot.testing.exported import repacked

    return repacked(data, change)


def _run(path: Path) -> None:
    import torch

    from nhot.frontends.module import import_model
    from nhot.network.reference import run
    from nhot.quant import quantize, to_network
    from nhot.testing.networks import random_input

    model = import_model(path)
    if model.graph.macs > _SHORT:
        return
    samples = model.stand_in()
    if samples is None:
        height, width, channels = model.graph.input
        numbers = np.random.default_rng(0).random((4, channels, height, width), np.float32)
        samples = torch.tensor(numbers)
    network = to_network(quantize(model, "2hot", samples), "damaged")
    network.output.check(run(network, random_input(network.input, 2, 0)))
