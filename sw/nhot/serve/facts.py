"""What the page is told, as plain data."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nhot.cli.layers import measured_layers
from nhot.compiler import EngineConfig, Image
from nhot.experiments.data.speech_commands import CLASSES
from nhot.formats.format import Ints
from nhot.network import Network
from nhot.serve.samples import Samples, takes
from nhot.serve.session import Counters, Ran, Table
from nhot.stages.stage import real

__all__ = ["Facts"]

_MOST_CLASSES = 1000


class Facts:
    """Facts of a table for its page.

    Parameters
    ----------
    samples : Samples
    clock : callable
        Hz of an engine, or None where it is not known.
    place : str
        Where the board is, for people.
    classes : sequence of str
        Their names; numbers where there are none.
    """

    def __init__(
        self, samples: Samples, clock: Callable[[EngineConfig], int | None], place: str,
        classes: Sequence[str] = (),
    ) -> None:
        self._samples, self._clock, self._place = samples, clock, place
        self._classes = tuple(classes)

    def state(self, table: Table) -> dict[str, Any]:
        """What there is: the network, if one is loaded, and what the board has counted."""
        loaded, counters = table.loaded, table.counters
        return {
            "place": self._place, "busy": table.busy, "progress": table.progress,
            "network": None if loaded is None else self._network(*loaded),
            "counters": None if counters is None else _counters(counters),
        }

    def run(self, ran: Ran) -> dict[str, Any]:
        """What came of a run."""
        cycles = int(ran.result.cycles)
        clock = self._clock(ran.image.config)
        return {
            "seen": {
                "shape": ran.values.shape,
                "pixels": base64.b64encode(
                    self._samples.shown(ran.network.input, ran.values).tobytes()).decode("ascii"),
            },
            "answer": self._answer(ran.network, ran.result.outputs),
            "cycles": cycles, "stalls": int(ran.result.stalls),
            "microseconds": None if clock is None else cycles * 1e6 / clock,
            "layers": measured_layers(ran.image, ran.times),
            "counters": _counters(ran.counters),
        }

    def _network(self, image: Image, network: Network) -> dict[str, Any]:
        clock = self._clock(image.config)
        return {
            "name": network.name, "format": image.config.format, "input": network.input.shape,
            "takes": takes(network.input), "layers": len(image.meta.layers),
            "weights": sum(layer.weights for layer in image.meta.layers),
            "macs": sum(layer.macs for layer in image.meta.layers),
            "megahertz": None if clock is None else clock / 1e6,
            "engine": f"{image.config.target_id:#010x}",
        }

    def _answer(self, network: Network, outputs: Ints) -> dict[str, Any]:
        """The class, and a score for each where the network gives scores."""
        tensor = network.output
        if tensor.bits > 8 and tensor.size == 1:  # an argmax
            return {"class": self._name(int(outputs.item()), 0), "scores": []}
        if tensor.shape[:2] != (1, 1) or not 2 <= tensor.size <= _MOST_CLASSES:
            return {"class": None, "scores": [], "shape": tensor.shape,
                    "least": int(outputs.min()), "greatest": int(outputs.max())}
        logits = real(tensor, outputs).ravel()
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        names = [self._name(place, tensor.size) for place in range(tensor.size)]
        return {
            "class": names[int(outputs.argmax())],
            "scores": [
                {"name": name, "integer": int(integer), "share": float(share)}
                for name, integer, share in zip(names, outputs.ravel(), shares, strict=True)
            ],
        }

    def _name(self, place: int, count: int) -> str:
        names = self._classes or (CLASSES if count == len(CLASSES) else ())
        return names[place] if place < len(names) else str(place)


def _counters(counters: Counters) -> dict[str, Any]:
    state = counters.state
    return {"runs": state.runs, "dropped": state.dropped, "repeated": counters.repeated,
            "fault": state.fault.name.lower()}
